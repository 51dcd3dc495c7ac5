// What other people's recipes for egress do here: three of "Kubernetes network policy recipes" (11, 12, 14), what people write in their place, and the
// examples of Kubernetes' documentation, each as a file of ours in test/support/policies/recipes. Asked of the command, as a user would.
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { run as check } from '../../src/cli/check.ts';
import { run as explain } from '../../src/cli/explain.ts';

const FOLDER = fileURLToPath(new URL('../support/policies/recipes/', import.meta.url));
const CLIENTS = `${FOLDER}clients.yaml`;
const DNS_SERVER = '10.96.0.10';

const DESTINATIONS = {
  web: '10.0.1.2:8080', // a pod of the own namespace
  queue: '10.0.2.1:6379', // a pod of another
  dnsPod: '10.0.3.1:53/udp',
  dnsMetrics: '10.0.3.1:9153',
  outside: '203.0.113.9:443',
  resolver: '198.51.100.53:53/udp', // somebody else's, outside
  ping: '203.0.113.9/icmp',
  node: '192.0.2.7:10250', // the one that the pod runs on
  metadata: '169.254.169.254:80',
} as const;
type Place = keyof typeof DESTINATIONS;

const BUT_METADATA = (Object.keys(DESTINATIONS) as Place[]).filter((place) => place !== 'metadata');
const NAMES = { both: ['allow', 'allow'], udp: ['allow', 'deny'], tcp: ['deny', 'allow'], none: ['deny', 'deny'] };

/** `asks`: over which protocols the pod may look up names. `opens`: all that it reaches. */
type Row = readonly [why: string, file: string, asks: keyof typeof NAMES, opens: readonly Place[]];

const RECIPES: readonly Row[] = [
  ['recipe 11: nothing, and no DNS', '11-no-egress', 'none', []],
  ['recipe 11 without the list is the same', '11-no-egress-left-out', 'none', []],
  ['recipe 11 with DNS: names resolve, connections fail', '11-no-egress-but-dns', 'both', ['dnsPod', 'resolver']],
  ['recipe 12: every pod of the namespace, no DNS', '12-namespace-closed', 'none', []],
  ['recipe 14: the cluster and DNS', '14-cluster-only', 'both', ['web', 'queue', 'dnsPod', 'dnsMetrics', 'resolver']],
];

const INSTEAD: readonly Row[] = [
  ['the DNS of the cluster alone: no other resolver', '11-dns-of-the-cluster', 'both', ['dnsPod']],
  ['UDP alone: what is too big for it fails', '11-dns-over-udp-only', 'udp', ['dnsPod', 'resolver']],
  ['no protocol is TCP, over which hardly anybody asks', '11-dns-without-protocol', 'tcp', []],
  ['the address of the DNS Service counts as the servers', '11-dns-by-service-address', 'both', []],
  ['a podSelector alone means pods of the own namespace', '11-dns-in-own-namespace', 'none', []],
  ['no namespace has the label "name" by itself', '11-dns-by-a-label-that-is-not-there', 'none', []],
  [
    'two rules: all of the DNS pods, and 53 everywhere',
    '11-dns-in-two-rules',
    'both',
    ['dnsPod', 'dnsMetrics', 'resolver'],
  ],
  ['two peers: pods of kube-system on 53', '11-dns-in-two-peers', 'both', ['dnsPod']],
  ['an empty rule is everything but the metadata address', '12-opened-by-mistake', 'both', BUT_METADATA],
  ['without port 53 for everybody', '14-cluster-only-strict', 'both', ['web', 'queue', 'dnsPod', 'dnsMetrics']],
  ['the own namespace has no DNS', '14-own-namespace', 'none', ['web']],
  ['private ranges are more than the cluster', '14-private-ranges', 'both', ['web', 'queue', 'dnsPod', 'dnsMetrics']],
];

const DOCUMENTED: readonly Row[] = [
  ['default deny all egress', 'docs-default-deny-egress', 'none', []],
  ['default deny all ingress and egress', 'docs-default-deny-all', 'none', []],
  ['allow all egress', 'docs-allow-all-egress', 'both', BUT_METADATA],
  ['a block with an exception, on a port', 'docs-ip-block', 'none', []],
  ['a range of ports', 'docs-port-range', 'none', []],
  ['several namespaces by label', 'docs-several-namespaces', 'none', ['queue']],
  ['a namespace by its name', 'docs-namespace-by-name', 'none', ['queue']],
];

const REFUSED = '12-without-policy-types';
const ALL = [...RECIPES, ...INSTEAD, ...DOCUMENTED];

interface Answer {
  readonly verdict: 'allow' | 'deny';
  readonly ask: { readonly udp: string; readonly tcp: string } | null;
}

async function answerFor(pod: string, to: string, file: string): Promise<Answer> {
  let out = '';
  let err = '';
  const argv = ['--pod', pod, '--to', to, '--server', DNS_SERVER, '-o', 'json', `${FOLDER}${file}.yaml`, CLIENTS];
  const code = await explain(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  expect(err).toBe('');
  const answer = JSON.parse(out) as Answer;
  expect(code).toBe(answer.verdict === 'allow' ? 0 : 1);
  return answer;
}

const isOpen = async (pod: string, to: string, file: string) => (await answerFor(pod, to, file)).verdict === 'allow';

async function reached(pod: string, file: string): Promise<string[]> {
  const places = Object.entries(DESTINATIONS);
  const open = await Promise.all(places.map(([, to]) => isOpen(pod, to, file)));
  return places.flatMap(([place], i) => (open[i] === true ? [place] : []));
}

describe.each<[string, readonly Row[]]>([
  ['the recipes', RECIPES],
  ['what is written in their place', INSTEAD],
  ["the examples of Kubernetes' documentation", DOCUMENTED],
])('%s', (_group, rows) => {
  test.each(rows)('%s (%s.yaml)', async (_why, file, asks, opens) => {
    const { ask } = await answerFor('shop/cart', 'www.example.org:443', file);
    expect([ask?.udp, ask?.tcp]).toEqual(NAMES[asks]);
    expect((await reached('shop/cart', file)).toSorted()).toEqual([...opens].toSorted());
  });
});

// What a name resolves to outside is denied by every one of them that does not open addresses outside, whether the name resolves or not.
test.each(ALL)('a name outside: %s (%s.yaml)', async (_why, file, _asks, opens) => {
  expect(await isOpen('shop/cart', 'www.example.org:443', file)).toBe(opens.includes('outside'));
});

test('only a podSelector of everybody closes the pod beside it, and none the pod of another namespace', async () => {
  const closed = await Promise.all(
    ALL.map(async ([, file]) => [file, (await reached('shop/web', file)).includes('metadata')] as const),
  );
  expect(closed.filter(([, isFree]) => !isFree).map(([file]) => file)).toEqual([
    '12-namespace-closed',
    '12-opened-by-mistake',
    'docs-default-deny-egress',
    'docs-default-deny-all',
    'docs-allow-all-egress',
  ]);
  for (const [, file] of ALL) expect(await reached('data/queue', file)).toEqual(Object.keys(DESTINATIONS));
});

test.each<[why: string, to: string, file: string, want: boolean]>([
  ['the port of the block', '203.0.113.9:5978', 'docs-ip-block', true],
  ['another port', '203.0.113.9:5979', 'docs-ip-block', false],
  ['another protocol', '203.0.113.9:5978/udp', 'docs-ip-block', false],
  ['in the exception', '203.0.113.200:5978', 'docs-ip-block', false],
  ['the last address before the exception', '203.0.113.127:5978', 'docs-ip-block', true],
  ['what its ingress lists', '198.51.100.9:6379', 'docs-ip-block', false],
  ['the first port', '203.0.113.9:32000', 'docs-port-range', true],
  ['the last port', '203.0.113.9:32768', 'docs-port-range', true],
  ['one before', '203.0.113.9:31999', 'docs-port-range', false],
  ['one after', '203.0.113.9:32769', 'docs-port-range', false],
  ['an address outside the block', '203.0.112.9:32000', 'docs-port-range', false],
  ['what is no pod, in the private ranges', '10.200.0.1:5432', '14-private-ranges', true],
  ['the same by pods', '10.200.0.1:5432', '14-cluster-only', false],
  ['ICMP of a rule without ports', '10.0.1.2/icmp', '14-cluster-only', true],
  ['DNS over TLS, which is not port 53', '198.51.100.53:853', '11-no-egress-but-dns', false],
])('%s', async (_why, to, file, want) => {
  expect(await isOpen('shop/cart', to, file)).toBe(want);
});

/** What the check warns of in them, beside the clients. */
const WARNED: Readonly<Record<string, readonly string[]>> = {
  '11-no-egress-but-dns': ['open-dns'],
  '14-cluster-only': ['open-dns'],
  '11-dns-over-udp-only': ['open-dns'],
  '11-dns-in-two-rules': ['open-dns'],
  '11-dns-without-protocol': ['open-dns', 'no-dns'],
  '11-dns-in-own-namespace': ['reaches-nobody', 'no-dns'],
  '11-dns-by-a-label-that-is-not-there': ['reaches-nobody', 'no-dns'],
  '11-dns-in-two-peers': ['reaches-nobody'],
  '14-own-namespace': ['no-dns'],
  'docs-ip-block': ['no-dns'],
  'docs-port-range': ['no-dns'],
  'docs-several-namespaces': ['no-dns'],
  'docs-namespace-by-name': ['no-dns'],
};

async function checked(file: string): Promise<{ level: string; code: string }[]> {
  let out = '';
  const argv = [`${FOLDER}${file}.yaml`, CLIENTS, '-o', 'json'];
  await check(argv, { out: (text) => (out += text), err: () => {} });
  return JSON.parse(out) as { level: string; code: string }[];
}

const codesOf = (said: readonly { level: string; code: string }[], wanted: string) =>
  said.flatMap(({ level, code }) => (level === wanted ? [code] : []));

test.each(ALL)('what the check warns of: %s (%s.yaml)', async (_why, file) => {
  const said = await checked(file);
  expect(codesOf(said, 'error')).toEqual([]);
  expect(codesOf(said, 'warning').toSorted()).toEqual([...(WARNED[file] ?? [])].toSorted());
});

test('the recipe that Kubernetes takes for one of ingress is refused', async () => {
  expect(codesOf(await checked(REFUSED), 'error')).toEqual(['empty-list']);
});

test('every file is in a table', async () => {
  const files = (await readdir(FOLDER)).map((file) => file.replace(/\.yaml$/, ''));
  expect(files.toSorted()).toEqual(['clients', REFUSED, ...ALL.map(([, file]) => file)].toSorted());
});
