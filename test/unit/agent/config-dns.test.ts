import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig, type Config } from '../../../src/agent/config.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { parseNameText } from '../../../src/dns/name.ts';

let folder = '';
let file = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-config-dns-'));
  file = join(folder, 'namewall.yaml');
});
afterAll(() => rmSync(folder, { recursive: true }));

// The line of a case is the sixth.
const HOST = `mode: host
clients: clients.yaml
policies: policies
dns:
  servers: [10.96.0.10, "2001:db8::53", 127.0.0.53]
`;
const NODE = `mode: node
kubernetes:
  nodeName: worker-1
dns:
  whenDown: closed
`;

function read(text: string) {
  writeFileSync(file, text);
  return readConfig(file, {});
}

function accepted(line: string, head = HOST): Config {
  const found = read(`${head}  ${line}\n`);
  return found.ok ? found.value : expect.fail(JSON.stringify(found.problems));
}

/** Problems as `LINE:COL code message`. */
function refused(line: string, head = HOST): string[] {
  const found = read(`${head}  ${line}\n`);
  if (found.ok) return expect.fail('it was accepted');
  return found.problems.map(({ at, code, message }) => `${at.slice(file.length + 1)} ${code} ${message}`);
}

const endpoint = (address: string, port: number) => ({ address: parseAddress(address), port });
const many = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(', ');

test.each([
  ['nothing said: the servers of the host', 'denied: drop', '/etc/resolv.conf'],
  ['the word', 'upstreams: resolv.conf', '/etc/resolv.conf'],
  ['a path', 'upstreams: /run/systemd/resolve/resolv.conf', '/run/systemd/resolve/resolv.conf'],
  ['a path from the folder of the configuration', 'upstreams: ./resolv.conf', 'resolv.conf'],
  ['a path from above it', 'upstreams: ../etc/resolv.conf', '../etc/resolv.conf'],
])('upstreams from a file: %s', (_why, line, path) => {
  expect(accepted(line).upstreams).toEqual({ file: path.startsWith('/') ? path : join(folder, path) });
});

test('in mode node it must be said: without it the cluster is asked', () => {
  expect(accepted('denied: drop', NODE).upstreams).toBe('cluster');
  expect(accepted('upstreams: resolv.conf', NODE).upstreams).toEqual({ file: '/etc/resolv.conf' });
});

test.each([
  ['another port of an address that clients ask', 'upstreams: "10.96.0.10:5353"', [endpoint('10.96.0.10', 5353)]],
  ['another address of the machine', 'upstreams: 127.0.0.54', [endpoint('127.0.0.54', 53)]],
])('upstreams that are no loop: %s', (_why, line, want) => {
  expect(accepted(line).upstreams).toEqual(want);
});

test.each([
  ['a name', 'one.one.one.one', '6:14 bad-value dns.upstreams: "one.one.one.one" is not ADDRESS'],
  ['port 0', '192.0.2.53:0', '6:14 bad-value dns.upstreams: "192.0.2.53:0" is not ADDRESS'],
  ['port 65536', '192.0.2.53:65536', '6:14 bad-value dns.upstreams: "192.0.2.53:65536" is not'],
  ['an address with its interface', '"fe80::1%eth0"', '6:14 bad-value dns.upstreams: "fe80::1%eth0" is not'],
  ['the second of a list', '[192.0.2.53, x]', '6:27 bad-value dns.upstreams: "x" is not'],
  ['an empty list', '[]', '6:14 bad-value dns.upstreams is a list: it must not be empty'],
  ['nothing', '', '6:14 bad-value dns.upstreams is null: it must hold texts'],
  [
    'a file beside servers',
    '[192.0.2.53, resolv.conf]',
    '"resolv.conf" is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, nor',
  ],
  [
    'a path beside servers',
    '[/etc/resolv.conf]',
    '"/etc/resolv.conf" is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, nor',
  ],
  ['an address of the web', 'https://dns.example.org/dns-query', '"https://dns.example.org/dns-query" is not ADDRESS'],
  ['a range', '192.0.2.0/24', '"192.0.2.0/24" is not ADDRESS'],
  [
    'more than are asked',
    `[${many(9, (i) => `192.0.2.${i + 1}`)}]`,
    '6:3 bad-value Remove servers of dns.upstreams: 9 are listed, at most 8',
  ],
  [
    'one of our own addresses, in another spelling',
    '[192.0.2.53, "[2001:db8:0::53]:53"]',
    '6:3 own-listener Remove 2001:db8::53 from dns.upstreams: it is one of dns.servers, so namewall would ask itself',
  ],
])('upstreams are refused: %s', (_why, value, problem) => {
  expect(refused(`upstreams: ${value}`).join('\n')).toContain(problem);
});

test.each([
  ['none', '{}', []],
  ['one server', '{corp.example: 192.0.2.61}', [['corp.example', '192.0.2.61']]],
  ['one label', '{"local": 192.0.2.61}', [['local', '192.0.2.61']]],
  [
    'one below another',
    '{corp.example: 192.0.2.61, lab.corp.example: 192.0.2.62}',
    [
      ['corp.example', '192.0.2.61'],
      ['lab.corp.example', '192.0.2.62'],
    ],
  ],
  ['in another spelling', '{Corp.EXAMPLE.: 192.0.2.61}', [['corp.example', '192.0.2.61']]],
  ['of Active Directory', '{_msdcs.corp.example: 192.0.2.61}', [['_msdcs.corp.example', '192.0.2.61']]],
  [
    'a part of a reverse zone (RFC 2317)',
    '{0/25.2.0.192.in-addr.arpa: 192.0.2.61}',
    [['0/25.2.0.192.in-addr.arpa', '192.0.2.61']],
  ],
  [
    'as many as there may be',
    `{${many(15, (i) => `z${i}.example: 192.0.2.61`)}}`,
    Array.from({ length: 15 }, (_, i) => [`z${i}.example`, '192.0.2.61']),
  ],
])('zones: %s', (_why, value, want) => {
  const zones = accepted(`zones: ${value}`).zones;
  expect(zones).toEqual(want.map(([zone = '', server = '']) => ({ zone, servers: [endpoint(server, 53)] })));
  for (const { zone } of zones) expect(parseNameText(zone), 'the data plane can read it').toBeDefined();
});

const LONG = `${'a'.repeat(63)}.`;

test.each([
  ['a list', '[corp.example]', '6:3 bad-type dns.zones must be a mapping of zones to servers'],
  ['nothing', '', '6:3 bad-type dns.zones must be a mapping'],
  ['every name', '{.: 192.0.2.61}', '6:11 bad-value dns.zones: "." is every name: list its servers in dns.upstreams'],
  [
    'a wildcard',
    '{"*.corp.example": 192.0.2.61}',
    '6:11 bad-value dns.zones: "*.corp.example" is not a zone such as corp.example',
  ],
  ['an empty label', '{corp..example: 192.0.2.61}', '6:11 bad-value dns.zones: "corp..example" is not a zone'],
  ['no label', '{"": 192.0.2.61}', '6:11 bad-value dns.zones: "" is not a zone'],
  ['a letter that folds to k', '{"\u212aube.example": 192.0.2.61}', 'is not a zone'],
  ['a label of 64', `{${'a'.repeat(64)}.example: 192.0.2.61}`, 'is not a zone'],
  ['a name of 254', `{${LONG.repeat(3)}${'a'.repeat(62)}: 192.0.2.61}`, 'is not a zone'],
  ['no server', '{corp.example: []}', '6:25 bad-value dns.zones.corp.example is a list: it must not be empty'],
  [
    'a server that is none',
    '{corp.example: [192.0.2.61, ns.example]}',
    '6:38 bad-value dns.zones.corp.example: "ns.example" is not ADDRESS',
  ],
  [
    'a file',
    '{corp.example: resolv.conf}',
    '6:25 bad-value dns.zones.corp.example: "resolv.conf" is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT',
  ],
  [
    'the same twice',
    '{corp.example: 192.0.2.61, Corp.Example.: 192.0.2.62}',
    '6:37 bad-value Remove "Corp.Example." of dns.zones: corp.example stands already',
  ],
  [
    'one more than the data plane takes',
    `{${many(16, (i) => `z${i}.example: 192.0.2.61`)}}`,
    '6:3 bad-value Remove zones of dns.zones: 16 are listed, at most 15',
  ],
  [
    'more servers than are asked',
    `{corp.example: [${many(9, (i) => `192.0.2.${i + 1}`)}]}`,
    '6:11 bad-value Remove servers of dns.zones.corp.example: 9 are listed, at most 8',
  ],
  [
    'one of our own addresses',
    '{corp.example: [192.0.2.61, 127.0.0.53]}',
    '6:11 own-listener Remove 127.0.0.53 from dns.zones.corp.example: it is one of dns.servers, so namewall would ask itself',
  ],
])('zones are refused: %s', (_why, value, problem) => {
  expect(refused(`zones: ${value}`).join('\n')).toContain(problem);
});

test.each([
  ['mode node has them, too', '{corp.example: 192.0.2.61}', ['corp.example']],
  ['one of the names that the cluster gives', '{cluster.local: 192.0.2.61}', ['cluster.local']],
  [
    '15 with those of the cluster',
    `{${many(12, (i) => `z${i}.example: 192.0.2.61`)}}`,
    Array.from({ length: 12 }, (_, i) => `z${i}.example`),
  ],
  [
    '16, of which the cluster gives one as well',
    `{ip6.arpa: 192.0.2.61, ${many(12, (i) => `z${i}.example: 192.0.2.61`)}}`,
    ['ip6.arpa', ...Array.from({ length: 12 }, (_, i) => `z${i}.example`)],
  ],
])('zones on a node: %s', (_why, value, want) => {
  expect(accepted(`zones: ${value}`, NODE).zones.map(({ zone }) => zone)).toEqual(want);
});

test.each([
  [
    '16 with those of the cluster',
    `{${many(13, (i) => `z${i}.example: 192.0.2.61`)}}`,
    '6:3 bad-value Remove zones: dns.zones and kubernetes.clusterZones have 16, at most 15',
  ],
  [
    'too many already',
    `{${many(16, (i) => `z${i}.example: 192.0.2.61`)}}`,
    '6:3 bad-value Remove zones of dns.zones: 16 are listed, at most 15',
  ],
])('zones on a node are refused: %s', (_why, value, problem) => {
  expect(refused(`zones: ${value}`, NODE)).toEqual([problem]);
});

test('on a node whose servers are listed they are no servers of a zone', () => {
  const head = NODE.replace('whenDown: closed', 'servers: 10.96.0.10');
  expect(refused('zones: {corp.example: 10.96.0.10}', head).join()).toContain('6:11 own-listener Remove 10.96.0.10');
});

test.each([
  ['whenDown', 'whenDown: open', 'dns.whenDown is "open": it must be one of closed, bypass'],
  ['denied', 'denied: servfail', 'dns.denied is "servfail": it must be one of nxdomain, refused, nodata, drop'],
  ['hints', 'hints: pass', 'dns.hints is "pass": it must be one of grant, strip'],
])('a word that is none: %s', (_key, line, problem) => {
  expect(refused(line)).toEqual([`6:${line.indexOf(':') + 5} bad-value ${problem}`]);
});

test.each([
  ['queriesPerSecond', 1, 1_000_000],
  ['newNamesPerSecond', 1, 1_000_000],
  ['maxAddresses', 100, 4_000],
] as const)('%s: a whole number from %i to %i', (key, least, most) => {
  for (const value of [least, most]) expect(accepted(`${key}: ${value}`)).toMatchObject({ [key]: value });
  for (const value of [least - 1, most + 1, least + 0.5, `"${least}"`, 'off']) {
    const problem = `bad-value dns.${key} is ${value === 'off' ? '"off"' : value}: it must be a whole number from ${least} to ${most}`;
    expect(refused(`${key}: ${value}`)).toEqual([`6:${key.length + 5} ${problem}`]);
  }
});
