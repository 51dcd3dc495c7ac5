import { expect, test } from 'vitest';
import { takeOver } from '../../../src/agent/inheritance.ts';
import { owners, stateOf } from '../../../src/agent/state.ts';
import type { Config } from '../../../src/agent/config.ts';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import type { InternalZone } from '../../../src/datapath/settings.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { inputs } from './inputs.ts';

const POD = '10.0.1.7';
const bytes = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);

interface Before {
  readonly annotation?: string;
  readonly internalZones?: readonly InternalZone[];
  /** What the file has of the pod: the name and what it resolved to. */
  readonly seen: readonly (readonly [name: string, address: string])[];
  /** What is left of it. */
  readonly leftMs?: number;
  /** Its program is another one now. */
  readonly isChanged?: boolean;
}

/** Which of the kernel's grants to 10.20.0.1, 10.20.0.2 and 192.0.2.8 are taken over. RFC 1918 is protected. */
function kept({ annotation = '', internalZones = [], seen, leftMs = 5_000, isChanged = false }: Before): string[] {
  const annotations = annotation === '' ? '{}' : `{namewall.io/allow-answer-ranges: "${annotation}"}`;
  const read = readPolicies(
    `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop, annotations: ${annotations}}
spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: "**.example.org"}]}]}
`,
    'p.yaml',
  );
  const pod = { uid: 'web', namespace: 'shop', name: 'web', labels: {}, addresses: [POD] };
  const protect = { ranges: ['rfc1918' as const], cidrs: [] };
  const state = stateOf(inputs({ pods: [pod], policies: read.ok ? read.value : [] }), EMPTY_REGISTRY, { protect });
  if (!state.ok) return expect.fail('too many pods');
  const { registry, compiled } = state.value;
  const grants = ['10.20.0.1', '10.20.0.2', '192.0.2.8'].map((address) => ({
    classId: 'any',
    pod: bytes(POD),
    destination: bytes(address),
    leftMs: 5_000,
  }));
  const former = {
    owners: owners(state.value),
    judged: new Map(),
    chains: new Map([[POD, isChanged ? 'policy_0' : `policy_${compiled.programs[0]?.id}`]]),
    grants,
  };
  const lookups = seen.map(([name, address]) => ({
    pod: registry.pods[0]?.id ?? 0,
    name: parseNameText(name) ?? expect.fail(name),
    addresses: bytes(address),
    leftMs,
  }));
  const config = { protect, internalZones } as unknown as Config; // what it asks for, and no more
  return takeOver(config, state.value, former, lookups).kept.map(({ destination }) => formatAddress(destination));
}

test.each<[string, Before, string[]]>([
  [
    'of a name in an internal zone, if the pod saw it resolve to that',
    {
      internalZones: [{ zone: 'corp.example.org', ranges: ['10.20.0.0/16'] }],
      seen: [
        ['db.corp.example.org', '10.20.0.1'],
        ['www.example.org', '10.20.0.2'],
      ],
    },
    ['10.20.0.1', '192.0.2.8'],
  ],
  [
    'of a rule that opens its range',
    {
      annotation: '10.20.0.0/31',
      seen: [
        ['www.example.org', '10.20.0.1'],
        ['www.example.org', '10.20.0.2'],
      ],
    },
    ['10.20.0.1', '192.0.2.8'],
  ],
  ['not where the range is opened no longer', { seen: [['db.corp.example.org', '10.20.0.1']] }, ['192.0.2.8']],
  [
    'of a pod whose program has changed, by what it saw alone',
    { annotation: '10.20.0.0/16', seen: [['www.example.org', '10.20.0.2']], isChanged: true },
    ['10.20.0.2'],
  ],
  [
    'not for a lookup that has ended, of a pod whose program has changed',
    { annotation: '10.20.0.0/16', seen: [['www.example.org', '10.20.0.2']], leftMs: -1, isChanged: true },
    [],
  ],
])('a grant in a protected range is taken over %s', (_why, before, want) => {
  expect(kept(before)).toEqual(want);
});
