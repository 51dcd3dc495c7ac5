import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { readConfig, type Config } from '../../../src/agent/config.ts';
import { protectedRanges, RangeMatcher } from '../../../src/kernel/protected.ts';

let folder = '';
let file = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-config-'));
  file = join(folder, 'namewall.yaml');
});
afterAll(() => rmSync(folder, { recursive: true }));

const SMALLEST = `clients: clients.yaml
policies: policies
dns:
  servers: 10.96.0.10
  upstreams: 192.0.2.53
`;

function read(text: string) {
  writeFileSync(file, text);
  return readConfig(file);
}

function accepted(text: string): Config {
  const found = read(text);
  return found.ok ? found.value : expect.fail(JSON.stringify(found.problems));
}

/** Problems as `LINE:COL code message`. */
function refused(text: string): string[] {
  const found = read(text);
  if (found.ok) return expect.fail('it was accepted');
  return found.problems.map(({ at, code, message }) => {
    expect(at.startsWith(`${file}:`)).toBe(true);
    return `${at.slice(file.length + 1)} ${code} ${message}`;
  });
}

const endpoint = (address: string, port: number) => ({ address: parseAddress(address), port });

test('the smallest configuration: three keys, and a default for every other', () => {
  expect(accepted(SMALLEST)).toEqual({
    mode: 'host',
    clients: join(folder, 'clients.yaml'),
    policies: [join(folder, 'policies')],
    dnsServers: ['10.96.0.10'],
    zones: [],
    upstreams: [endpoint('192.0.2.53', 53)],
    whenDown: 'closed',
    denial: 'nxdomain',
    queriesPerSecond: 20_000,
    newNamesPerSecond: 1_000,
    hints: 'grant',
    maxAddresses: 256,
    enforce: ['cilium', 'networkPolicy', 'clusterNetworkPolicy'],
    intercept: 'namespaces',
    lifetimes: { minTtlMs: 5_000, maxTtlMs: 3_600_000, graceMs: 60_000 },
    protect: { ranges: [], cidrs: [] },
    internalZones: [],
    verdict: 'reject',
    mark: 0x100000,
    routingTable: 5310,
    refresh: 'auto',
    audit: 'stdout',
    connections: 'all',
    logGroup: 5310,
    onRevoke: 'cut',
    maxConnectionMs: 0,
    state: '/run/namewall',
    logLevel: 'info',
    health: 'off',
  });
});

test('every key, none at its default', () => {
  const text = `clients: /etc/namewall/clients.yaml
policies: [/etc/namewall/policies, extra/*.yaml]
dns:
  servers: [10.96.0.10, "2001:db8::53"]
  upstreams: [192.0.2.53, "192.0.2.54:5353", "[2001:db8::54]:853", 2001:db8::55]
  zones: {Corp.Example.: 192.0.2.61, 2.0.192.in-addr.arpa: ["192.0.2.62:5353", "[2001:db8::62]:53"]}
  whenDown: bypass
  denied: refused
  queriesPerSecond: 500
  newNamesPerSecond: 50
  hints: strip
  maxAddresses: 100
enforce: [cilium, clusterNetworkPolicy]
intercept: all
lifetimes: {minTtl: 500ms, maxTtl: 10m, grace: 2, maxConnection: 12h}
onRevoke: finish
logGroup: 7
state: kept
protect: [rfc1918, 192.0.2.0/24, "2001:db8::/32", cgnat]
internalZones: {Corp.example.: [10.20.0.0/16, cgnat], svc.corp.example: rfc1918}
verdict: drop
mark: 0x200000
routingTable: 77
refresh: replace
audit: {file: audit.log, connections: denied}
log: {level: debug}
health: health.sock
mode: host
`;
  expect(accepted(text)).toEqual({
    mode: 'host',
    clients: '/etc/namewall/clients.yaml',
    policies: ['/etc/namewall/policies', join(folder, 'extra/*.yaml')],
    dnsServers: ['10.96.0.10', '2001:db8::53'],
    upstreams: [
      endpoint('192.0.2.53', 53),
      endpoint('192.0.2.54', 5353),
      endpoint('2001:db8::54', 853),
      endpoint('2001:db8::55', 53),
    ],
    zones: [
      { zone: 'corp.example', servers: [endpoint('192.0.2.61', 53)] },
      { zone: '2.0.192.in-addr.arpa', servers: [endpoint('192.0.2.62', 5353), endpoint('2001:db8::62', 53)] },
    ],
    whenDown: 'bypass',
    denial: 'refused',
    queriesPerSecond: 500,
    newNamesPerSecond: 50,
    hints: 'strip',
    maxAddresses: 100,
    enforce: ['cilium', 'clusterNetworkPolicy'],
    intercept: 'all',
    lifetimes: { minTtlMs: 500, maxTtlMs: 600_000, graceMs: 2_000 },
    protect: { ranges: ['rfc1918', 'cgnat'], cidrs: ['192.0.2.0/24', '2001:db8::/32'] },
    internalZones: [
      { zone: 'corp.example', ranges: ['10.20.0.0/16', '100.64.0.0/10'] },
      { zone: 'svc.corp.example', ranges: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'] },
    ],
    verdict: 'drop',
    mark: 0x200000,
    routingTable: 77,
    refresh: 'replace',
    audit: join(folder, 'audit.log'),
    connections: 'denied',
    logGroup: 7,
    onRevoke: 'finish',
    maxConnectionMs: 43_200_000,
    state: join(folder, 'kept'),
    logLevel: 'debug',
    health: join(folder, 'health.sock'),
  });
});

test('paths are relative to the file, wherever the agent is started', () => {
  mkdirSync(join(folder, 'etc'), { recursive: true });
  const nested = join(folder, 'etc', 'namewall.yaml');
  writeFileSync(nested, `${SMALLEST.replace('clients.yaml', '../clients.yaml')}audit: {file: logs/audit.log}\n`);
  const found = readConfig(nested);
  expect(found).toMatchObject({
    ok: true,
    value: {
      clients: join(folder, 'clients.yaml'),
      policies: [join(folder, 'etc/policies')],
      audit: join(folder, 'etc/logs/audit.log'),
    },
  });
});

test.each([
  ['a file', 'audit: {file: audit.log}', 'audit.log'],
  ['standard output, said', 'audit: stdout', undefined],
  ['a file of that name', 'audit: {file: ./stdout}', 'stdout'],
])('audit: %s', (_why, line, name) => {
  expect(accepted(`${SMALLEST}${line}\n`).audit).toBe(name === undefined ? 'stdout' : join(folder, name));
});

test.each([
  ['one bit, the lowest', 'mark: 1', { mark: 1 }],
  ['one bit, the highest', 'mark: 0x80000000', { mark: 0x8000_0000 }],
  ['the largest routing table', 'routingTable: 2147483647', { routingTable: 0x7fff_ffff }],
  ['namespaces', 'intercept: namespaces', { intercept: 'namespaces' }],
  ['selected', 'intercept: selected', { intercept: 'selected' }],
  ['update', 'refresh: update', { refresh: 'update' }],
  ['hours', 'lifetimes: {maxTtl: 24h}', { lifetimes: { minTtlMs: 5_000, maxTtlMs: 86_400_000, graceMs: 60_000 } }],
  [
    'minTtl at its least',
    'lifetimes: {minTtl: 100ms}',
    { lifetimes: { minTtlMs: 100, maxTtlMs: 3_600_000, graceMs: 60_000 } },
  ],
  [
    'minTtl = maxTtl',
    'lifetimes: {minTtl: 1m, maxTtl: 60s}',
    { lifetimes: { minTtlMs: 60_000, maxTtlMs: 60_000, graceMs: 60_000 } },
  ],
  [
    'a fraction of a second',
    'lifetimes: {minTtl: 0.5}',
    { lifetimes: { minTtlMs: 500, maxTtlMs: 3_600_000, graceMs: 60_000 } },
  ],
  ['one range alone', 'protect: ula', { protect: { ranges: ['ula'], cidrs: [] } }],
  ['the least log', 'log: {level: error}', { logLevel: 'error' }],
])('accepted: %s', (_why, line, want) => {
  expect(accepted(`${SMALLEST}${line}\n`)).toMatchObject(want);
});

// `6:` is the line after the smallest configuration.
test.each([
  [
    'an unknown key',
    'polices: x',
    '6:1 unknown-field Unknown key "polices": the configuration has clients, policies, dns',
  ],
  [
    'an unknown key of lifetimes',
    'lifetimes: {ttl: 5s}',
    '6:13 unknown-field Unknown key "ttl": lifetimes has minTtl, maxTtl, grace',
  ],
  ['an unknown key of log', 'log: {levels: debug}', '6:7 unknown-field Unknown key "levels": log has level'],
  ['an unknown key of audit', 'audit: {file: a, mode: 0600}', '6:18 unknown-field Unknown key "mode": audit has file'],
  [
    'intercept: another word',
    'intercept: some',
    '6:12 bad-value intercept is "some": it must be one of namespaces, selected, all',
  ],
  [
    'intercept: no word',
    'intercept: [all]',
    '6:12 bad-value intercept is a list: it must be one of namespaces, selected, all',
  ],
  ['intercept: nothing', 'intercept:', '6:11 bad-value intercept is null: it must be one of namespaces, selected, all'],
  [
    'enforce: another word',
    'enforce: [cilium, calico]',
    '6:19 bad-value enforce: "calico" is none of cilium, networkPolicy, clusterNetworkPolicy',
  ],
  ['enforce: nothing', 'enforce: []', '6:10 bad-value enforce is a list: it must not be empty'],
  ['mode: another word', 'mode: cluster', '6:7 bad-value mode is "cluster": it must be one of host, node'],
  [
    'kubernetes in mode host',
    'kubernetes: {nodeName: worker-1}',
    '6:1 wrong-mode Remove kubernetes, or set "mode: node": in mode host clients and policies come from files',
  ],
  ['health: an empty path', 'health: ""', '6:9 bad-value health is "": it must be a text'],
  ['verdict: another word', 'verdict: accept', '6:10 bad-value verdict is "accept": it must be one of reject, drop'],
  [
    'verdict: a constructor is no choice',
    'verdict: constructor',
    '6:10 bad-value verdict is "constructor": it must be',
  ],
  ['refresh: another word', 'refresh: true', '6:10 bad-value refresh is true: it must be one of auto, update, replace'],
  [
    'log level: another word',
    'log: {level: trace}',
    '6:14 bad-value log.level is "trace": it must be one of info, debug, warn, error',
  ],
  ['log: not a mapping', 'log: debug', '6:6 bad-type log must be a mapping with level'],
  ['lifetimes: not a mapping', 'lifetimes: 5s', '6:12 bad-type lifetimes must be a mapping with minTtl, maxTtl, grace'],
  ['mark: two bits', 'mark: 3', '6:7 bad-value mark is 3: it must have exactly one bit set'],
  ['mark: none', 'mark: 0', '6:7 bad-value mark is 0: it must be a whole number from 1'],
  ['mark: too large', 'mark: 0x100000000', '6:7 bad-value mark is 4294967296: it must be a whole number'],
  ['mark: a text', 'mark: "0x100000"', '6:7 bad-value mark is "0x100000": it must be a whole number'],
  [
    'routingTable: 0',
    'routingTable: 0',
    '6:15 bad-value routingTable is 0: it must be a whole number from 1 to 2147483647',
  ],
  ['routingTable: a fraction', 'routingTable: 1.5', '6:15 bad-value routingTable is 1.5: it must be a whole number'],
  [
    'minTtl: too short',
    'lifetimes: {minTtl: 99ms}',
    '6:21 bad-value lifetimes.minTtl is "99ms": it must be a duration such as',
  ],
  ['minTtl: too long', 'lifetimes: {minTtl: 2h}', '6:21 bad-value lifetimes.minTtl is "2h": it must be a duration'],
  [
    'maxTtl: below minTtl',
    'lifetimes: {minTtl: 1m, maxTtl: 59s}',
    '6:33 bad-value lifetimes.maxTtl is "59s": it must be a duration such as 500ms, 5s, 10m or 1h, from 60s to 86400s',
  ],
  ['maxTtl: too long', 'lifetimes: {maxTtl: 25h}', '6:21 bad-value lifetimes.maxTtl is "25h"'],
  [
    'grace: none, which would deny whoever caches a moment longer',
    'lifetimes: {grace: 0}',
    '6:20 bad-value lifetimes.grace is 0: it must be a duration',
  ],
  ['grace: a unit that is none', 'lifetimes: {grace: 1d}', '6:20 bad-value lifetimes.grace is "1d"'],
  ['grace: negative', 'lifetimes: {grace: -1s}', '6:20 bad-value lifetimes.grace is "-1s"'],
  ['grace: not a number', 'lifetimes: {grace: .nan}', '6:20 bad-value lifetimes.grace is'],
  ['grace: infinite', 'lifetimes: {grace: .inf}', '6:20 bad-value lifetimes.grace is'],
  [
    'protect: a name that is none',
    'protect: [rfc1919]',
    '6:11 bad-value protect: "rfc1919" is neither rfc1918, ula, cgnat nor a CIDR such as 10.0.0.0/8',
  ],
  [
    'protect: an address without a length',
    'protect: [rfc1918, 192.0.2.1]',
    '6:20 bad-value protect: "192.0.2.1" is neither',
  ],
  ['protect: a length that is too long', 'protect: 192.0.2.0/33', '6:10 bad-value protect: "192.0.2.0/33" is neither'],
  [
    'protect: an address with a zone',
    'protect: ["fe80::1%eth0/64"]',
    '6:11 bad-value protect: "fe80::1%eth0/64" is neither',
  ],
  ['internalZones: a list', 'internalZones: [corp.example]', '6:1 bad-type internalZones must be a mapping of zones'],
  [
    'internalZones: no zone',
    'internalZones: {"*.example": rfc1918}',
    '6:17 bad-value internalZones: "*.example" is not',
  ],
  ['internalZones: the root', 'internalZones: {.: rfc1918}', '6:17 bad-value internalZones: "." is not a zone'],
  ['internalZones: no range', 'internalZones: {a.example: []}', '6:28 bad-value internalZones.a.example is a list'],
  [
    'internalZones: an address alone',
    'internalZones: {a.example: [rfc1918, 10.0.0.1]}',
    '6:38 bad-value internalZones.a.example: "10.0.0.1" is neither rfc1918, ula, cgnat nor a CIDR',
  ],
  [
    'internalZones: a range with a metadata address',
    'internalZones: {a.example: [10.0.0.0/8, 169.254.169.254/32]}',
    '6:41 bad-value internalZones.a.example: "169.254.169.254/32" touches 169.254.0.0/16 (link-local), which no name opens',
  ],
  [
    'internalZones: every address',
    'internalZones: {a.example: 0.0.0.0/0}',
    '6:28 bad-value internalZones.a.example: "0.0.0.0/0" touches',
  ],
  [
    'internalZones: IPv4 behind NAT64',
    'internalZones: {a.example: "64:ff9b::a14:0/112"}',
    '6:28 bad-value internalZones.a.example: "64:ff9b::a14:0/112" touches 64:ff9b::/96: write the IPv4 range',
  ],
  ['protect: an empty list', 'protect: []', '6:10 bad-value protect is a list: it must not be empty'],
  ['audit: nothing', 'audit:', '6:7 bad-value audit is null: it must be one of stdout'],
  ['audit: a target that there is not', 'audit: syslog', '6:8 bad-value audit is "syslog": it must be one of stdout'],
  [
    'routingTable: a table of the system',
    'routingTable: 254',
    '6:15 bad-value routingTable is 254: it must not be one of the system tables',
  ],
  ['a second document', '---\nclients: other.yaml', '7:1 one-document Remove all but the first YAML document'],
  ['a key that stands twice', 'clients: other.yaml', '6:1 duplicate-key Remove the second "clients"'],
  ['a tab', '\tmark: 1', '6:1 yaml-syntax Cannot read the YAML'],
])('refused: %s', (_why, line, problem) => {
  const found = refused(`${SMALLEST}${line}\n`);
  expect(found[0]).toContain(problem);
});

// Each changes one line of the smallest configuration.
test.each([
  ['no clients', 'clients: clients.yaml\n', '', '1:1 missing-field Add clients: it has no default'],
  ['clients: empty', 'clients.yaml', '""', '1:10 bad-value clients is "": it must be a text'],
  ['clients: a number', 'clients.yaml', '7', '1:10 bad-value clients is 7: it must be a text'],
  ['clients: a list', 'clients.yaml', '[a]', '1:10 bad-value clients is a list: it must be a text'],
  ['no policies', 'policies: policies\n', '', '1:1 missing-field Add policies: it has no default'],
  [
    'policies: an empty list',
    'policies: policies',
    'policies: []',
    '2:11 bad-value policies is a list: it must not be empty',
  ],
  [
    'policies: a number in the list',
    'policies: policies',
    'policies: [a, 7]',
    '2:15 bad-value policies is 7: it must hold texts',
  ],
  [
    'policies: a mapping',
    'policies: policies',
    'policies: {a: b}',
    '2:11 bad-value policies is a map: it must hold texts',
  ],
  ['servers: none', '  servers: 10.96.0.10\n', '', '4:3 missing-field Add dns.servers: it has no default'],
  [
    'servers: a name',
    '10.96.0.10',
    'kube-dns',
    '4:12 bad-value dns.servers: "kube-dns" is not an IPv4 or IPv6 address',
  ],
  ['servers: with a port', '10.96.0.10', '10.96.0.10:53', '4:12 bad-value dns.servers: "10.96.0.10:53" is not'],
  [
    'servers: the same twice',
    '10.96.0.10',
    '["2001:db8::1", "2001:db8:0::1"]',
    'bad-value dns.servers: "2001:db8::1" stands twice',
  ],
  [
    'dns: not a mapping',
    'dns:\n  servers: 10.96.0.10\n  upstreams: 192.0.2.53\n',
    'dns: on\n',
    '3:6 bad-type dns must be a mapping',
  ],
  [
    'dns: missing',
    'dns:\n  servers: 10.96.0.10\n  upstreams: 192.0.2.53\n',
    '',
    '1:1 missing-field Add dns.servers: it has no default',
  ],
  [
    'dns: an unknown key',
    '  upstreams: 192.0.2.53\n',
    '  upstreams: 192.0.2.53\n  denial: drop\n',
    '6:3 unknown-field Unknown key "denial": dns has servers, upstreams, zones',
  ],
])('refused: %s', (_why, from, to, problem) => {
  expect(SMALLEST).toContain(from);
  expect(refused(SMALLEST.replace(from, to)).join('\n')).toContain(problem);
});

test.each([
  ['an empty file', '', '1:1 missing-field Configuration is empty: write at least clients, policies and dns'],
  ['only comments', '# nothing yet\n', '1:1 missing-field Configuration is empty'],
  ['a list', '- clients\n', '1:1 bad-type Configuration must be a mapping with clients'],
  ['a text', 'clients\n', '1:1 bad-type Configuration must be a mapping'],
])('refused: %s', (_why, text, problem) => {
  expect(refused(text)[0]).toContain(problem);
});

test('all problems at once, in the order of the file', () => {
  const found = refused('clients: 7\nverdict: no\ndns: {servers: x, upstreams: y}\nmark: 3\npolicy: z\n');
  expect(found.map((line) => line.split(' ', 2).join(' '))).toEqual([
    '1:1 missing-field',
    '1:10 bad-value',
    '2:10 bad-value',
    '3:16 bad-value',
    '3:30 bad-value',
    '4:7 bad-value',
    '5:1 unknown-field',
  ]);
});

test('a file that cannot be read is a located problem', () => {
  const missing = join(folder, 'none.yaml');
  const found = readConfig(missing);
  expect(found).toMatchObject({ ok: false, problems: [{ code: 'unreadable', at: `${missing}:1:1` }] });
  expect(readConfig(folder)).toMatchObject({ ok: false, problems: [{ code: 'unreadable', at: `${folder}:1:1` }] });
});

test.each([
  ['the least and the most', ['0.0.0.0/0', '::/0', '192.0.2.1/32', '2001:db8::1/128']],
  ['bits behind the length', ['192.0.2.77/24', '2001:db8::77/32']],
  ['IPv4 inside IPv6', ['::ffff:192.0.2.0/120']],
])('what protect accepts the data plane can use: %s', (_why, cidrs) => {
  const { protect } = accepted(`${SMALLEST}protect: ${JSON.stringify(cidrs)}\n`);
  const extra = { protect: protect.ranges, cidrs: protect.cidrs.map((cidr) => ({ cidr, reason: 'configured' })) };
  expect(() => new RangeMatcher(protectedRanges(extra))).not.toThrow();
});
