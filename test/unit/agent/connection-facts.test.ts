import { describe, expect, test } from 'vitest';
import { ConnectionFacts } from '../../../src/agent/connection-facts.ts';
import { stateOf } from '../../../src/agent/state.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import type { RecalledName } from '../../../src/bridge/protocol.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { inputs } from './inputs.ts';

const POD = { uid: 'a', namespace: 'shop', name: 'cart', labels: {}, namespaceLabels: {}, addresses: ['10.0.1.7'] };
const TCP = 6;

const clusterPolicy = (name: string, tier: string, mode: string, egress: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: ${name}, annotations: { namewall.io/mode: ${mode} } }
spec: { tier: ${tier}, priority: 10, subject: { namespaces: {} }, egress: [${egress}] }
`;
const networkPolicy = (mode: string, egress: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolating, namespace: shop, annotations: { namewall.io/mode: ${mode} } }
spec: { podSelector: {}, policyTypes: [Egress], egress: [${egress}] }
`;
const deny = (cidr: string): string => `{ action: Deny, to: [{ networks: [${cidr}] }] }`;
const WATCHED = clusterPolicy('watched', 'Admin', 'audit', deny('192.0.2.0/24'));
const CLOSED = clusterPolicy('closed', 'Baseline', 'enforce', deny('192.0.2.0/25'));
const NAMED = clusterPolicy(
  'named',
  'Admin',
  'enforce',
  '{ action: Accept, to: [{ domainNames: [api.example.org] }], protocols: [{ tcp: { destinationPort: { number: 443 } } }] }',
);

function factsOf(...documents: readonly string[]): ConnectionFacts {
  const read = readPolicies(documents.join('---'), 'p.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const protect = { ranges: [], cidrs: [] };
  const state = stateOf(inputs({ pods: [POD], policies: read.value }), EMPTY_REGISTRY, { protect });
  if (!state.ok) throw new Error(JSON.stringify(state.problems));
  return new ConnectionFacts({ protect, internalZones: [] }, state.value);
}

const bytes = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);
const packetTo = (address: string) => ({
  destination: bytes(address),
  destinationPort: 443,
  protocol: TCP,
  icmpType: undefined,
});
/** What the pod looked up, as the data plane tells it: class 0, by the rule that names it. */
const resolved = (facts: ConnectionFacts): RecalledName[] => {
  const rule = facts.state.compiled.programs[0]?.names[0]?.rule ?? -1;
  return [{ name: 'api.example.org', leftMs: 1_000, classes: [0], rule }];
};

describe('who would deny a packet that passed in audit mode', () => {
  test.each<[why: string, documents: string[], name: string | undefined, isByRule: boolean]>([
    ['a rule of a policy that audits', [WATCHED], 'watched', true],
    ['what isolates the pod', [networkPolicy('audit', '')], 'isolating', false],
    ['the first of both', [networkPolicy('audit', ''), WATCHED], 'watched', true],
    ['of a pod in audit mode, the rule that denies', [CLOSED], 'closed', true],
    ['of a pod in audit mode, nothing where no rule allows it', [networkPolicy('enforce', '')], undefined, false],
  ])('%s', (_why, documents, name, isByRule) => {
    const found = factsOf(...documents).wouldBeDenier(0, packetTo('192.0.2.1'), []);
    expect(found?.policy.name).toBe(name);
    expect(found?.isByRule ?? false).toBe(isByRule);
  });

  test('nothing that only audits stands in for the rule that denied', () => {
    expect(factsOf(WATCHED, CLOSED).denyingRule(0, packetTo('192.0.2.1'), [])).toMatchObject({ name: 'closed' });
    expect(factsOf(WATCHED, CLOSED).denyingRule(0, packetTo('192.0.2.200'), [])).toBeUndefined();
  });
});

describe('what lets a connection be', () => {
  const flowTo = (address: string, port = 443) => {
    return { replySource: bytes(address), replySourcePort: port, protocol: TCP };
  };
  const OPEN = networkPolicy('enforce', '{ to: [{ ipBlock: { cidr: 192.0.2.0/24 } }] }');

  test('the name that was looked up, where its rule comes first and covers the port', () => {
    const facts = factsOf(NAMED, OPEN);
    expect(facts.allowingRule(0, flowTo('192.0.2.1'), resolved(facts))).toMatchObject({ name: 'named' });
  });

  test('an address, where the name opens another port, or no name was looked up', () => {
    const facts = factsOf(NAMED, OPEN);
    expect(facts.allowingRule(0, flowTo('192.0.2.1', 80), resolved(facts))).toMatchObject({ name: 'isolating' });
    expect(facts.allowingRule(0, flowTo('192.0.2.1'), [])).toMatchObject({ name: 'isolating' });
  });

  test('no rule, of a pod that nothing isolates', () => {
    expect(factsOf(NAMED).allowingRule(0, flowTo('192.0.2.1'), [])).toBeUndefined();
  });
});
