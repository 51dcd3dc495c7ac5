import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TestCase } from '../../../../src/cli/test/case.ts';
import { loadTests, readTests } from '../../../../src/cli/test/read-tests.ts';

const SRC = 'src: {k8sResource: {kind: deployment, name: cart, namespace: shop}}';
const DST = 'dst: {host: {name: api.example.org}}';
const v2 = (...fields: string[]): string => `- {${['name: a', 'type: k8s', ...fields].join(', ')}}\n`;

function read(text: string): readonly TestCase[] {
  const parsed = readTests(text, 't.yaml', 9_000);
  return parsed.ok ? parsed.value : expect.fail(JSON.stringify(parsed.problems));
}

function problemsOf(text: string): string[] {
  const parsed = readTests(text, 't.yaml');
  return parsed.ok ? [] : parsed.problems.map(({ at, code, message }) => `${at} ${code} ${message}`);
}

describe('netassert v2', () => {
  test('a test with every field', () => {
    const text = `
- name: cart-is-cut-off
  type: k8s
  protocol: udp
  targetPort: 8125
  timeoutSeconds: 60
  attempts: 5
  exitCode: 1
  src: {k8sResource: {kind: statefulset, name: cart, namespace: shop}}
  dst: {k8sResource: {kind: pod, name: stats-0, namespace: ops}}
  x-dns: {name: api.example.org, type: AAAA, expect: answered, addresses: ['2001:DB8::1']}
  pass: true
  failureReason: ''
`;
    expect(read(text)).toEqual([
      {
        name: 'cart-is-cut-off',
        at: 't.yaml:2:3',
        source: { kind: 'statefulset', namespace: 'shop', name: 'cart' },
        checks: [
          {
            kind: 'ask',
            name: 'api.example.org',
            typeText: 'AAAA',
            type: 28,
            expect: 'answered',
            addresses: ['2001:db8::1'],
          },
          {
            kind: 'connect',
            to: { kind: 'pod', namespace: 'ops', name: 'stats-0' },
            protocol: 'udp',
            port: 8125,
            expect: 'blocked',
          },
        ],
        attempts: 5,
        timeoutMs: 60_000,
      },
    ]);
  });

  test('the least: tcp, allowed, three attempts, the timeout of the command line', () => {
    expect(read(v2(SRC, DST, 'targetPort: 443'))).toMatchObject([
      {
        checks: [{ to: { kind: 'name', text: 'api.example.org' }, protocol: 'tcp', port: 443, expect: 'allowed' }],
        attempts: 3,
        timeoutMs: 9_000,
      },
    ]);
  });

  test('0 seconds and 0 attempts are as if they were not there', () => {
    const [found] = read(v2(SRC, DST, 'targetPort: 443', 'timeoutSeconds: 0', 'attempts: 0'));
    expect(found).toMatchObject({ attempts: 3, timeoutMs: 9_000 });
  });

  test('with x-dns a test needs no destination, and may have several assertions', () => {
    const asks = 'x-dns: [{name: a.example.org, expect: denied}, {name: b.example.org, type: TYPE65, expect: nodata}]';
    expect(read(v2(SRC, asks))[0]?.checks).toMatchObject([
      { kind: 'ask', type: 1, expect: 'denied' },
      { kind: 'ask', type: 65, expect: 'nodata' },
    ]);
  });

  test.each([
    ['an IPv4 address', '192.0.2.8', { kind: 'address', text: '192.0.2.8' }],
    ['an IPv6 address, in its one spelling', '"2001:DB8:0::8"', { kind: 'address', text: '2001:db8::8' }],
    ['a name with a final dot', 'api.example.org.', { kind: 'name', text: 'api.example.org.' }],
  ])('the destination may be %s', (_why, host, to) => {
    expect(read(v2(SRC, `dst: {host: {name: ${host}}}`, 'targetPort: 443'))).toMatchObject([{ checks: [{ to }] }]);
  });

  test.each([
    ['no test at all', '', []],
    ['an empty list', '[]', []],
  ])('%s', (_why, text, tests) => expect(read(text)).toEqual(tests));

  const good = [SRC, DST, 'targetPort: 443'];
  test.each([
    ['an unknown key', v2(...good, 'exitcode: 1'), '1:148 unknown-field .*did you mean "exitCode"'],
    ['an unknown extension', v2(...good, 'x-trace: 1'), '1:148 unknown-extension Remove "x-trace": unknown extension'],
    ['another type', v2(...good).replace('k8s,', 'vm,'), '1:19 bad-value Cannot use "vm" for type: write k8s'],
    ['no source', v2(DST, 'targetPort: 443'), '1:3 missing-field Add "src"'],
    ['a source that is no resource', v2('src: {}', DST, 'targetPort: 443'), 'missing-field Add "k8sResource" to src'],
    [
      'a kind that has no pods',
      v2(SRC.replace('deployment', 'job'), DST, 'targetPort: 443'),
      'bad-value .*"job" for kind',
    ],
    ['no destination', v2(SRC, 'targetPort: 443'), '1:3 missing-field Add "dst"'],
    [
      'a destination with neither',
      v2(SRC, 'dst: {}', 'targetPort: 443'),
      'missing-field Add host or k8sResource to dst',
    ],
    [
      'a destination with both',
      v2(SRC, DST.replace('dst: {', 'dst: {k8sResource: {kind: pod, name: a, namespace: b}, '), 'targetPort: 443'),
      'bad-value Remove host or k8sResource',
    ],
    ['no port', v2(SRC, DST), '1:3 missing-field Add "targetPort"'],
    ['port 0', v2(SRC, DST, 'targetPort: 0'), 'bad-value Cannot use 0 for targetPort'],
    ['port 65536', v2(SRC, DST, 'targetPort: 65536'), 'bad-value Cannot use 65536 for targetPort'],
    ['a port as text', v2(SRC, DST, 'targetPort: "443"'), 'bad-value Cannot use "443" for targetPort'],
    [
      'another protocol',
      v2(...good, 'protocol: sctp'),
      'bad-value Cannot use "sctp" for protocol: write one of tcp, udp',
    ],
    ['UDP to a host', v2(...good, 'protocol: udp'), 'bad-value Write k8sResource instead of host with protocol udp'],
    ['negative attempts', v2(...good, 'attempts: -1'), 'bad-value Cannot use -1 for attempts'],
    ['a name of two lines', v2(...good).replace('name: a', 'name: "a\\nok 2"'), 'bad-value .*write one line'],
    ['a URL', v2(SRC, 'dst: {host: {name: "https://a.example.org"}}', 'targetPort: 443'), 'bad-value .* without port'],
    ['what DNS cannot ask', v2(SRC, 'x-dns: {name: a..b, expect: denied}'), 'bad-value Cannot ask for "a..b"'],
    ['no expectation', v2(SRC, 'x-dns: {name: a.example.org}'), 'missing-field Add "expect"'],
    [
      'an unknown expectation',
      v2(SRC, 'x-dns: {name: a.example.org, expect: blocked}'),
      'bad-value Cannot use "blocked" for expect',
    ],
    [
      'an unknown record type',
      v2(SRC, 'x-dns: {name: a.example.org, type: IP, expect: denied}'),
      'bad-value Cannot ask for type "IP"',
    ],
    [
      'addresses of a denial',
      v2(SRC, 'x-dns: {name: a.example.org, expect: denied, addresses: [192.0.2.1]}'),
      'bad-value Remove "addresses"',
    ],
    [
      'a range among addresses',
      v2(SRC, 'x-dns: {name: a.example.org, expect: answered, addresses: [192.0.2.0/24]}'),
      'bad-value Cannot use "192.0.2.0/24" as an address',
    ],
    ['no assertion in x-dns', v2(SRC, 'x-dns: []'), 'empty-list'],
    ['a single word', 'tests', '1:1 wrong-type .*list .netassert v2. or a mapping .v1.'],
    ['a second document', `${v2(...good)}---\n[]`, '3:1 one-document'],
  ])('%s is refused', (_why, text, problem) => {
    const found = problemsOf(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^t.yaml:.*${problem}`));
  });
});

describe('netassert v1', () => {
  const titles = (text: string): string[] => read(text).map(({ name }) => name);

  test('a scalar, a text of several, and a list are ports; a hyphen means closed', () => {
    const text = `
host:
  localhost:
    192.0.2.8: UDP:53
    control-plane.example.org: 80, 81 443,22
    api.example.org: [443, 80, -999, -TCP:30731, -UDP:1234]
k8s:
  deployment:
    new-namespace:test-microservice: {test-database.new-namespace: -80}
`;
    expect(titles(text)).toEqual([
      'localhost to 192.0.2.8 UDP:53 open',
      'localhost to control-plane.example.org TCP:80 open',
      'localhost to control-plane.example.org TCP:81 open',
      'localhost to control-plane.example.org TCP:443 open',
      'localhost to control-plane.example.org TCP:22 open',
      'localhost to api.example.org TCP:443 open',
      'localhost to api.example.org TCP:80 open',
      'localhost to api.example.org TCP:999 closed',
      'localhost to api.example.org TCP:30731 closed',
      'localhost to api.example.org UDP:1234 closed',
      'new-namespace/test-microservice to test-database.new-namespace TCP:80 closed',
    ]);
  });

  test('a source is this host or a deployment, of the namespace default unless said', () => {
    const tests = read('{host: {localhost: {192.0.2.8: 53}}, k8s: {deployment: {cart: {192.0.2.8: 53}}}}');
    expect(tests.map(({ source }) => source)).toEqual([
      { kind: 'host' },
      { kind: 'deployment', namespace: 'default', name: 'cart' },
    ]);
  });

  test('an alias is what an address is called in titles', () => {
    expect(titles('{host: {localhost: {192.0.2.8: 53}}, alias: {192.0.2.8: resolver}}')).toEqual([
      'localhost to resolver TCP:53 open',
    ]);
  });

  test('ICMP is not probed', () => {
    expect(read('host: {localhost: {192.0.2.8: [ICMP, 53]}}').map(({ checks }) => checks[0]?.kind)).toEqual([
      'unprobed',
      'connect',
    ]);
  });

  test.each([
    ['an unknown top-level type', '{vm: {}}', '1:2 unknown-field'],
    ['an unknown kind', '{k8s: {pod: {}}}', '1:8 unknown-field'],
    ['another host', '{host: {web1: {192.0.2.8: 53}}}', '1:9 not-supported Cannot probe from "web1"'],
    ['an empty port', '{host: {localhost: {192.0.2.8: }}}', '1:32 bad-port'],
    ['no ports', '{host: {localhost: {192.0.2.8: []}}}', '1:32 bad-port'],
    ['a comma too many', '{host: {localhost: {192.0.2.8: "80,"}}}', '1:32 bad-port Cannot read ""'],
    ['port 0', '{host: {localhost: {192.0.2.8: 0}}}', '1:32 bad-port Cannot read "0"'],
    ['port 65536', '{host: {localhost: {192.0.2.8: 65536}}}', '1:32 bad-port'],
    ['another protocol', '{host: {localhost: {192.0.2.8: "SCTP:80"}}}', '1:32 bad-port Cannot read "SCTP:80"'],
    ['a deployment without name', '{k8s: {deployment: {"shop:": {192.0.2.8: 80}}}}', '1:21 bad-value'],
    ['a destination that is no name', '{host: {localhost: {"a b": 80}}}', '1:21 bad-value'],
  ])('%s is refused', (_why, text, problem) => {
    const found = problemsOf(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^t.yaml:${problem}`));
  });
});

describe('files', () => {
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'namewall-tests-'))));
  afterEach(() => rm(folder, { recursive: true }));
  const load = async (...paths: string[]) =>
    loadTests(paths, { timeoutMs: 1_000, readInput: async () => v2(SRC, DST, 'targetPort: 1') });
  const write = (name: string, text: string) => writeFile(join(folder, name), text);

  test('a folder is its *.yaml and *.yml files in the order of their names, not what is below', async () => {
    await write('b.yaml', v2(SRC, DST, 'targetPort: 2').replace('name: a', 'name: second'));
    await write('a.yml', v2(SRC, DST, 'targetPort: 1').replace('name: a', 'name: first'));
    await write('c.json', 'no tests');
    const loaded = await load(folder);
    expect(loaded.ok && loaded.value.map(({ name }) => name)).toEqual(['first', 'second']);
  });

  test('a hyphen is standard input', async () => {
    expect(await load('-')).toMatchObject({ ok: true, value: [{ name: 'a', at: 'stdin:1:3' }] });
  });

  test('a name stands once over all files of a run', async () => {
    await write('a.yaml', v2(SRC, DST, 'targetPort: 1'));
    const message = `duplicate test name found "a": it stands already at ${folder}/a.yaml:1:3`;
    expect(await load(join(folder, 'a.yaml'), '-')).toEqual({
      ok: false,
      problems: [{ code: 'duplicate-name', at: 'stdin:1:3', message }],
    });
  });

  test('an empty folder and a missing file are problems, both told', async () => {
    const loaded = await load(folder, join(folder, 'none.yaml'));
    expect(loaded.ok ? [] : loaded.problems.map(({ code, at }) => [code, at])).toEqual([
      ['bad-path', `${folder}:1:1`],
      ['bad-path', `${folder}/none.yaml:1:1`],
    ]);
  });
});
