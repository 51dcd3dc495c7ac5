import { expect, test } from 'vitest';
import { dig } from '../../../src/agent/digger.ts';
import type { DiggerParts } from '../../../src/agent/digger.ts';
import { stateOf } from '../../../src/agent/state.ts';
import type { State } from '../../../src/agent/state.ts';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { AUDIT_FLAG, AUDIT_KIND } from '../../../src/bridge/audit-record.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import type { Dug } from '../../../src/bridge/dig.ts';
import type { Pod } from '../../../src/pods/pod.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { putRecord, type Written } from '../audit/record.ts';
import { inputs } from './inputs.ts';

const QUERY = 'AAAAAA==';
const REQUEST = { kind: 'dig', pod: 'shop/cart', query: QUERY };

const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: one-name, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: cart } }
  egress:
    - toFQDNs: [{ matchName: api.example.org }]
      toPorts: [{ ports: [{ port: '443', protocol: TCP }] }]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: two-others, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: mail } }
  egress: [{ toCIDR: [192.0.2.0/24] }]
`;

const pod = (namespace: string, name: string, ...addresses: string[]): Pod => ({
  uid: `${namespace}/${name}/${addresses[0]}`,
  namespace,
  name,
  labels: { app: name },
  addresses,
});
const CART = pod('shop', 'cart', '10.0.1.7', '2001:db8::7');
const PODS = [
  CART,
  pod('other', 'cart', '10.0.1.8'),
  pod('shop', 'twin', '10.0.1.9'),
  pod('shop', 'twin', '10.0.1.10'),
];

const CONFIG: DiggerParts['config'] = {
  mode: 'host',
  denial: 'refused',
  intercept: 'namespaces',
  protect: { ranges: ['ula'], cidrs: ['203.0.113.0/24'] },
};

function state(): State {
  const policies = readPolicies(POLICY, 'p.yaml');
  const found = policies.ok && stateOf(inputs({ pods: PODS, policies: policies.value }), EMPTY_REGISTRY, CONFIG);
  return found && found.ok ? found.value : expect.fail('policies');
}

/** A record as the data plane copies it. */
function recordOf(changes: Partial<Written>): Uint8Array {
  const ring = new AuditRing(new SharedArrayBuffer(64 + 8_192));
  putRecord(ring, { podId: 1, flags: AUDIT_FLAG.Dig, ...changes });
  let bytes = new Uint8Array();
  ring.drain((at) => (bytes = ring.bytes.slice(at)), 1);
  return bytes;
}

const DUG: Dug = {
  kind: 'asked',
  records: [
    recordOf({ kind: AUDIT_KIND.Grant, classIndex: 0, ttlSeconds: 90 }),
    recordOf({ kind: AUDIT_KIND.Allowed, rule: 0 }),
  ],
  reply: Uint8Array.of(1, 2),
  said: { message: Uint8Array.of(3, 4), ageMs: 5, leftMs: 6 },
  attempts: [
    {
      address: parseAddress('198.51.100.53') ?? new Uint8Array(),
      port: 53,
      transport: 'udp',
      hasEdns: true,
      atMs: 0,
      outcome: 'NOERROR',
      tookMs: 12,
    },
  ],
  rule: 0,
  toldBy: -1,
  classes: [0],
  generation: 1,
  grants: [{ address: parseAddress('192.0.2.80') ?? new Uint8Array(), classIndex: 0, leftMs: 90_000 }],
};
const NOTHING: Dug = {
  ...DUG,
  records: [],
  reply: undefined,
  said: undefined,
  attempts: [],
  rule: -1,
  toldBy: -1,
  classes: [],
  grants: [],
};

function setUp({
  dug = DUG,
  config = CONFIG,
  isAudited = false,
}: { dug?: Dug; config?: typeof CONFIG; isAudited?: boolean } = {}) {
  const asked: string[] = [];
  const now = state();
  const parts: DiggerParts = {
    datapath: {
      dig: (client, query) => {
        asked.push(`${formatAddress(client)} ${Buffer.from(query).toString('hex')}`);
        return Promise.resolve(dug);
      },
    },
    state: () => now,
    names: {
      pod: (id) => now.registry.pods.find((each) => each.id === id)?.pod,
      rule: (generation, index) => (generation === 1 ? now.compiled.rules[index] : undefined),
      portClass: (generation, index) => (generation === 1 ? now.compiled.classes[index] : undefined),
    },
    auditMode: { isAudited: () => isAudited },
    config,
  };
  const answer = (request: unknown) => dig(request, parts);
  return { asked, answer };
}

test('the whole of it, with names for numbers', async () => {
  const { answer, asked } = setUp();
  const reply = await answer(REQUEST);
  expect(asked).toEqual(['10.0.1.7 00000000']);
  const policy = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'one-name', rule: 'p.yaml:8:30' };
  expect(reply).toEqual({
    ok: true,
    report: {
      pod: { namespace: 'shop', name: 'cart', uid: CART.uid },
      client: '10.0.1.7',
      addresses: CART.addresses,
      policies: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'one-name' }],
      isIsolated: true,
      isAudited: false,
      isIntercepted: true,
      denial: 'refused',
      answer: expect.objectContaining({ event: 'dns.allowed', dig: true, policy }) as unknown,
      grants: [expect.objectContaining({ event: 'grant', dig: true, ports: 'tcp443', lifetimeSeconds: 90 })],
      policy,
      wouldDenyBy: null,
      ports: ['tcp443'],
      attempts: [
        {
          address: '198.51.100.53',
          port: 53,
          transport: 'udp',
          hasEdns: true,
          atMs: 0,
          outcome: 'NOERROR',
          tookMs: 12,
        },
      ],
      said: { message: 'AwQ=', ageMs: 5, leftMs: 6 },
      reply: 'AQI=',
      granted: [{ address: '192.0.2.80', ports: 'tcp443', leftMs: 90_000 }],
      protectedRanges: expect.arrayContaining([
        { cidr: '169.254.0.0/16', reason: 'link-local' },
        { cidr: 'fc00::/7', reason: 'ula' },
        { cidr: '203.0.113.0/24', reason: 'configured' },
      ]) as unknown,
    },
  });
});

test('what has not happened is null or empty', async () => {
  expect(await setUp({ dug: NOTHING }).answer(REQUEST)).toMatchObject({
    report: { answer: null, grants: [], policy: null, ports: [], attempts: [], said: null, reply: null, granted: [] },
  });
});

test('a pod by any of its addresses, however it is spelt', async () => {
  const { answer, asked } = setUp();
  expect(await answer({ ...REQUEST, pod: '2001:DB8:0::7' })).toMatchObject({ report: { client: '2001:db8::7' } });
  expect(asked).toEqual(['2001:db8::7 00000000']);
});

test('a policy that would deny it and only audits is named', async () => {
  const policy = { name: 'one-name', rule: 'p.yaml:8:30' };
  expect(await setUp({ dug: { ...DUG, toldBy: 0 } }).answer(REQUEST)).toMatchObject({
    report: { wouldDenyBy: policy },
  });
});

test('who is not isolated is said', async () => {
  expect(await setUp().answer({ ...REQUEST, pod: 'other/cart' })).toMatchObject({ report: { isIsolated: false } });
});

test('audit mode is told', async () => {
  expect(await setUp({ isAudited: true }).answer(REQUEST)).toMatchObject({ report: { isAudited: true } });
});

test.each([
  ['selected, of a namespace with a policy', 'shop/cart', 'namespaces', true],
  ['of a namespace without one', 'other/cart', 'namespaces', false],
  ['not selected', '10.0.1.9', 'selected', false],
  ['any', 'other/cart', 'all', true],
] as const)('whether its DNS is taken: a pod %s', async (_why, who, intercept, isIntercepted) => {
  const { answer } = setUp({ config: { ...CONFIG, intercept } });
  expect(await answer({ ...REQUEST, pod: who })).toMatchObject({ report: { isIntercepted } });
});

test.each([
  ['nobody is called so', 'shop/carts', 'Cannot find a client shop/carts in the clients file'],
  [
    'another namespace',
    'store/cart',
    'Cannot find a client store/cart in the clients file; there is shop/cart, other/cart',
  ],
  ['nobody has the address', '10.0.1.99', 'Cannot find a client in the clients file with the address 10.0.1.99'],
  [
    'several are called so',
    'shop/twin',
    'Cannot choose: 2 clients are called shop/twin; give an address instead, 10.0.1.9 or 10.0.1.10',
  ],
])('nothing is asked: %s', async (_why, who, error) => {
  const { answer, asked } = setUp();
  expect(await answer({ ...REQUEST, pod: who })).toEqual({ ok: false, error });
  expect(asked).toEqual([]);
});

test('on a node other nodes may have the pod', async () => {
  const { answer } = setUp({ config: { ...CONFIG, mode: 'node' } });
  expect(await answer({ ...REQUEST, pod: 'a/b' })).toMatchObject({ error: 'Cannot find a client a/b on this node' });
});

test('too many at a time', async () => {
  const { answer } = setUp({ dug: { kind: 'busy' } });
  expect(await answer(REQUEST)).toEqual({
    ok: false,
    error: 'Cannot ask now: 16 questions of this kind are under way',
  });
});

test.each([
  ['no object', 'dig'],
  ['no pod', { kind: 'dig', query: QUERY }],
  ['no query', { kind: 'dig', pod: 'shop/cart' }],
  ['a key too many', { ...REQUEST, as: 'root' }],
  ['another kind', { ...REQUEST, kind: 'off' }],
  ['a query that no pod can send', { ...REQUEST, query: 'A'.repeat(700) }],
])('a request that is none: %s', async (_why, request) => {
  const { answer, asked } = setUp();
  expect(await answer(request)).toMatchObject({ ok: false });
  expect(asked).toEqual([]);
});
