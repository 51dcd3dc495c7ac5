// What the command says of policies and clients in files, from the command line to the text.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../../src/cli/explain.ts';

const POLICIES = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress:
    - toFQDNs: [{matchName: api.example.org}, {matchPattern: "*.cdn.example.org"}]
      toPorts: [{ports: [{port: "443", protocol: TCP}]}]
    - toCIDR: [192.0.2.0/24]
  egressDeny:
    - toCIDR: [192.0.2.128/25]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: other, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: cart}}
  egress:
    - toCIDR: [192.0.2.1/32]
`;
const CLIENTS = `clients:
  - {namespace: shop, name: cart, labels: {app: cart}, addresses: [10.0.0.1]}
  - {namespace: shop, name: free, addresses: [10.0.0.2]}
  - {namespace: other, name: cart, labels: {app: cart}, addresses: [10.0.0.3]}
nodes: [{name: n, addresses: [203.0.113.254, 192.0.2.254], local: true}]
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-explain-'));
  await writeFile(join(folder, 'p.yaml'), POLICIES);
  await writeFile(join(folder, 'clients.yaml'), CLIENTS);
});
afterAll(() => rm(folder, { recursive: true }));

async function explain(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out: out.replaceAll(`${folder}/`, ''), err: err.replaceAll(`${folder}/`, '') };
}
const about = (pod: string, to: string) => explain('--pod', pod, '--to', to, folder);

test('a name that a rule opens', async () => {
  expect(await about('shop/cart', 'api.example.org:443')).toEqual({
    code: 0,
    err: '',
    out: [
      'shop/cart → api.example.org:443/tcp: allowed: a rule opens that port to what the name resolves to, from its lookup on',
      '  by       CiliumNetworkPolicy shop/cart, p.yaml:7:29: matchName: api.example.org',
      '  asking   allowed by CiliumNetworkPolicy shop/cart, p.yaml:7:29',
      '  first    api.example.org must be looked up by this pod',
      '  unless   it resolves into 192.0.2.128/25: denied by CiliumNetworkPolicy shop/cart, p.yaml:11:7',
      '  also     allow of 192.0.2.0/24, behind that: CiliumNetworkPolicy shop/cart, p.yaml:9:7',
      '           allow of 192.0.2.1, behind that: CiliumNetworkPolicy shop/other, p.yaml:19:7',
      '',
    ].join('\n'),
  });
});

test('an address that a rule denies, and what lost to it', async () => {
  const { code, out } = await about('shop/cart', '192.0.2.200:443');
  expect(code).toBe(1);
  expect(out.split('\n').slice(0, 3)).toEqual([
    'shop/cart → 192.0.2.200:443/tcp: denied: a rule denies it',
    '  by       CiliumNetworkPolicy shop/cart, p.yaml:11:7',
    '  also     allow, behind that: CiliumNetworkPolicy shop/cart, p.yaml:9:7',
  ]);
});

test.each<[why: string, pod: string, to: string, code: number, says: string]>([
  ['another port of a name', 'shop/cart', 'api.example.org:80', 1, 'api.example.org opens tcp 443 only'],
  ['a name that may not be asked', 'shop/cart', 'evil.example.org:443', 1, 'may not be asked'],
  ['an address that names may open', 'shop/cart', '203.0.113.1:443', 1, 'first    a lookup of api.example.org'],
  ['what no name opens', 'shop/cart', '169.254.169.254:80', 1, 'neither names nor broad ranges open'],
  [
    'an address that a rule allows',
    'shop/cart',
    '192.0.2.1:22',
    0,
    'by       CiliumNetworkPolicy shop/cart, p.yaml:9:7',
  ],
  ['a pod that nothing selects', 'shop/free', '192.0.2.200:1', 0, 'no policy selects the pod'],
])('%s', async (_why, pod, to, code, says) => {
  const said = await about(pod, to);
  expect(said.out).toContain(says);
  expect(said.code).toBe(code);
});

test('a DNS server that pods ask: which names it may ask', async () => {
  const asked = ['--pod', 'shop/cart', '--to', '10.96.0.10:53/udp', '--server', '10.96.0.10', folder];
  expect(await explain(...asked)).toEqual({
    code: 0,
    err: '',
    out: 'shop/cart → 10.96.0.10:53/udp: allowed: namewall answers for this DNS server: api.example.org, *.cdn.example.org may be asked\n',
  });
});

test('a pod with the labels that a policy of another namespace selects', async () => {
  const { out } = await about('other/cart', '192.0.2.200:1');
  expect(out).toContain('CiliumNetworkPolicy shop/cart selects such labels, but in namespace "shop"');
});

test('the node itself, and servers that nobody named', async () => {
  const { out } = await about('shop/cart', '192.0.2.254:10250');
  expect(out).toContain('a rule denies it');
  const host = await about('shop/cart', '203.0.113.254:10250');
  expect(host.out).toContain('it is the node itself, which no address opens');
  expect((await about('shop/cart', 'evil.example.org:443')).out).toContain('write --server');
});

test('as JSON', async () => {
  const { out } = await explain('--pod', 'shop/cart', '--to', '203.0.113.1:443', '-o', 'json', folder);
  expect(JSON.parse(out)).toMatchObject({
    pod: { namespace: 'shop', name: 'cart' },
    to: '203.0.113.1:443/tcp',
    verdict: 'deny',
    rule: null,
    ask: null,
    lookUpFirst: [{ name: 'api.example.org' }, { name: '*.cdn.example.org' }],
    isolatedBy: [{ name: 'cart', at: 'p.yaml:5:3' }, { name: 'other' }],
  });
});

test.each<[why: string, argv: string[], says: string]>([
  ['no pod', ['--to', 'a.org:1', '.'], '--pod is missing'],
  ['no destination', ['--pod', 'a/b', '.'], '--to is missing'],
  ['a destination that is none', ['--pod', 'a/b', '--to', 'a.org', '.'], 'write the port'],
  ['no files', ['--pod', 'a/b', '--to', 'a.org:1'], 'write policy files and a clients file'],
  ['another output', ['--pod', 'a/b', '--to', 'a.org:1', '-o', 'yaml', '.'], '-o takes text or json'],
  ['an option that there is not', ['--pods'], "Unknown option '--pods'"],
])('%s is wrong usage', async (_why, argv, says) => {
  const { code, err } = await explain(...argv);
  expect(code).toBe(2);
  expect(err).toContain(says);
});

test('a pod that there is not', async () => {
  expect(await about('shop/carts', '192.0.2.1:1')).toMatchObject({
    code: 2,
    err: 'namewall explain: no client is shop/carts; there are shop/cart, shop/free, other/cart\n',
  });
});

test('no clients file', async () => {
  const { code, err } = await explain('--pod', 'shop/cart', '--to', '192.0.2.1:1', join(folder, 'p.yaml'));
  expect([code, err]).toEqual([
    2,
    'p.yaml: error[no-clients]: Cannot find the pod: none of the files is a clients file, which begins with "clients:"\n',
  ]);
});

test('a NetworkPolicy, with the ports, namespaces and nodes of the clients file', async () => {
  await mkdir(join(folder, 'world')); // folders are not searched below: the other tests do not see it
  const policy = join(folder, 'world', 'policy.yaml');
  const clients = join(folder, 'world', 'clients.yaml');
  await writeFile(
    policy,
    `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  policyTypes: [Egress]
  egress:
    - {to: [{namespaceSelector: {matchLabels: {team: a}}}], ports: [{port: http}]}
    - {to: [{ipBlock: {cidr: 192.0.2.0/24}}]}
`,
  );
  await writeFile(
    clients,
    `clients:
  - {namespace: shop, name: cart, addresses: [10.0.0.1]}
  - {namespace: data, name: db, addresses: [10.0.0.2], ports: [{name: http, port: 8080}]}
namespaces: [{name: data, labels: {team: a}}]
nodes: [{name: n1, addresses: [192.0.2.7], local: true}]
`,
  );
  const verdictOf = async (to: string) => {
    let out = '';
    const io = { out: (text: string) => (out += text), err: (text: string) => (out += text) };
    await run(['--pod', 'shop/cart', '--to', to, '-o', 'json', policy, clients], io);
    const { verdict, rule } = JSON.parse(out) as { verdict: string; rule: { at: string } | null };
    return [verdict, rule?.at.replace(policy, '')];
  };
  expect(await verdictOf('10.0.0.2:8080')).toEqual(['allow', ':7:7']);
  expect(await verdictOf('10.0.0.2:8081')).toEqual(['deny', undefined]);
  expect(await verdictOf('192.0.2.8:443')).toEqual(['allow', ':8:7']);
  expect(await verdictOf('192.0.2.7:443')).toEqual(['deny', undefined]); // the node itself is no address
});

const BASELINE = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: last}
spec:
  tier: Baseline
  priority: 1
  subject: {namespaces: {}}
  egress: [{action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]
`;
const cilium = (lists: string, annotations = '{}'): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: c, namespace: shop, annotations: ${annotations}}
spec: {endpointSelector: {}, ${lists}}
`;
const AUDIT = '{namewall.io/mode: audit}';
const DNS = '{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]}';

test.each<[why: string, policy: string, to: string, code: number, says: string[]]>([
  [
    'a name where every address is denied',
    BASELINE,
    'a.example.org:443',
    1,
    ['denied: a rule in tier Baseline', '8:12'],
  ],
  [
    'a name where one family is denied',
    BASELINE.replace(', "::/0"', ''),
    'a.example.org:443',
    0,
    ['allowed: no rule mentions it', 'unless   it resolves into 0.0.0.0/0: denied by ClusterNetworkPolicy last'],
  ],
  [
    'a name and the world',
    cilium(`egress: [{toEntities: [world]}, ${DNS}]`),
    'a.example.org:1',
    0,
    ['allowed: a rule'],
  ],
  [
    'what a rule that only audits would deny',
    cilium('egress: [{toEntities: [world]}], egressDeny: [{toCIDR: [192.0.2.0/24]}]', AUDIT),
    '192.0.2.1:1',
    0,
    [
      'would be denied: a rule denies it; it passes since that policy only audits\n  by       CiliumNetworkPolicy shop/c, q.yaml:4:76\n',
      'also     allow, behind that: CiliumNetworkPolicy shop/c, q.yaml:4:39',
    ],
  ],
  [
    'what a policy that only audits isolates',
    cilium('egress: [{toCIDR: [192.0.2.0/24]}]', AUDIT),
    '198.51.100.1:1',
    0,
    ['would be denied: no rule allows it; it passes', 'by       CiliumNetworkPolicy shop/c, q.yaml:4:7\n'],
  ],
])('%s', async (_why, policy, to, code, says) => {
  await mkdir(join(folder, 'one'), { recursive: true });
  const file = join(folder, 'one', 'q.yaml');
  await writeFile(file, policy);
  const said = await explain('--pod', 'shop/cart', '--to', to, file, join(folder, 'clients.yaml'));
  const out = said.out.replaceAll('one/', '');
  for (const text of says) expect(out).toContain(text);
  expect(said.code).toBe(code);
});
