import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import { compile, Compiler } from '../../../src/policy/compile.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { decide } from '../../../src/policy/match.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { EMPTY_WORLD } from '../../../src/policy/world.ts';

function policies(...documents: readonly [name: string, selector: string, egress: string][]): readonly Policy[] {
  const text = documents.map(
    ([name, selector, egress]) =>
      `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: {endpointSelector: ${selector}, egress: ${egress}}\n`,
  );
  const read = readPolicies(text.join('---\n'), 'p.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return read.value;
}

function pod(name: string, labels: Record<string, string> = {}, namespace = 'shop'): Pod {
  return { uid: `${namespace}/${name}`, namespace, name, labels, addresses: ['192.0.2.7'] };
}

const app = (name: string) => `{matchLabels: {app: ${name}}}`;
const https = 'toPorts: [{ports: [{port: 443, protocol: TCP}]}]';
const oneName = `[{toFQDNs: [{matchName: api.example.org}], ${https}}]`;

const idsOf = (found: ReturnType<typeof compile>) => found.programOfPod.map((index) => found.programs[index]?.id);
const connectItem = (name: string, ports: string) =>
  `{toFQDNs: [{matchName: ${name}}], toPorts: [{ports: [${ports}]}]}`;
const dnsItem = (protocol: string, rules: string) =>
  `{toPorts: [{ports: [{port: 53, protocol: ${protocol}}], rules: {dns: [${rules}]}}]}`;

test('without policies no pod has a program', () => {
  expect(compile([], [pod('a'), pod('b')])).toEqual({
    classes: [],
    destinations: [],
    rules: [],
    programs: [],
    programOfPod: [-1, -1],
  });
});

test('a rule becomes a class, a program and a reference to its line', () => {
  expect(compile(policies(['one', app('cart'), oneName]), [pod('x'), pod('y', { app: 'cart' })])).toEqual({
    classes: [{ id: 'tcp443', ports: [{ protocol: 'tcp', first: 443, last: 443 }] }],
    rules: [
      { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'one', at: 'p.yaml:4:86' },
      { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'one', at: 'p.yaml:4:7' },
    ],
    programs: [
      {
        id: expect.stringMatching(/^[0-9a-f]{12}$/),
        names: [{ match: 'name', text: 'api.example.org', askUdp: true, askTcp: true, classes: [0], rule: 0 }],
        classes: [0],
        segments: [{ tier: 'normal', deny: [], pass: [], classes: [0], allow: [] }],
        otherwise: 'deny',
        unlisted: { udp: 'deny', tcp: 'deny' },
        isTold: { udp: false, tcp: false },
        toldBy: { udp: -1, tcp: -1 },
        isolatedBy: [1],
        auditedBy: [],
      },
    ],
    destinations: [],
    programOfPod: [-1, 0],
  });
});

test('what its author says of a rule goes with it to the audit', () => {
  const [policy = expect.fail()] = policies(['one', app('cart'), oneName]);
  const said = { description: 'Payments', labels: ['team=a'] };
  const rules = policy.rules.map((rule) => ({ ...rule, ...said }));
  const found = compile([{ ...policy, rules }], [pod('y', { app: 'cart' })]);
  expect(found.rules).toEqual([expect.objectContaining(said), expect.objectContaining(said)]);
});

test('what an annotation opens for answers is a part of the rule, and of the program', () => {
  const [plain] = policies(['one', app('cart'), oneName]);
  const annotated = policies(['one', app('cart'), oneName]).map((policy) => ({
    ...policy,
    rules: policy.rules.map((rule) => ({
      ...rule,
      egress: rule.egress.map((each) =>
        each.kind === 'connect' ? { ...each, answerRanges: ['10.20.0.0/16', '10.21.0.0/16'] } : each,
      ),
    })),
  }));
  const pods = [pod('y', { app: 'cart' })];
  const [before, found] = [compile(plain === undefined ? [] : [plain], pods), compile(annotated, pods)];
  expect(found.answerRanges).toEqual(['10.20.0.0/16', '10.21.0.0/16']);
  expect(found.programs[0]?.names[0]?.answerRanges).toEqual(['10.20.0.0/16', '10.21.0.0/16']);
  expect(found.programs[0]?.id).not.toBe(before.programs[0]?.id);
  expect(compile(annotated, [pod('z')])).not.toHaveProperty('answerRanges'); // it selects nobody
});

test('a selected pod without rules has a program without names', () => {
  const { programs, programOfPod } = compile(policies(['none', '{}', '[{}]']), [pod('a')]);
  expect(programOfPod).toEqual([0]);
  expect(programs[0]).toMatchObject({ names: [], classes: [] });
});

test('pods that the same rules select share a program', () => {
  const found = compile(policies(['all', '{}', oneName], ['web', app('web'), oneName]), [
    pod('a'),
    pod('b', { app: 'web' }),
    pod('c', { app: 'web' }),
    pod('d', { app: 'db' }),
    pod('e', { app: 'web' }, 'other'),
  ]);
  expect(found.programOfPod).toEqual([0, 1, 1, 0, -1]);
});

test('policies of equal content keep their own programs: the audit names the right one', () => {
  const found = compile(policies(['a', app('a'), oneName], ['b', app('b'), oneName]), [
    pod('a', { app: 'a' }),
    pod('b', { app: 'b' }),
  ]);
  expect(new Set(found.programs.map(({ id }) => id)).size).toBe(2);
  expect(found.classes).toHaveLength(1);
});

test('policies that only isolate keep their own programs, too', () => {
  const found = compile(policies(['a', app('a'), '[{}]'], ['b', app('b'), '[{}]']), [
    pod('a', { app: 'a' }),
    pod('b', { app: 'b' }),
  ]);
  const isolating = found.programOfPod.map((index) =>
    found.programs[index]?.isolatedBy.map((i) => found.rules[i]?.name),
  );
  expect(isolating).toEqual([['a'], ['b']]);
});

describe('the same result', () => {
  const list: [string, string, string][] = [
    ['b', '{}', `[{toFQDNs: [{matchName: b.org}]}]`],
    ['a', app('web'), oneName],
  ];
  const pods = [pod('x', { app: 'web' }), pod('y')];

  test('whatever the order of the policies', () => {
    const forward = compile(policies(...list), pods);
    const backward = compile(policies(...list).toReversed(), pods);
    expect(backward).toEqual(forward);
  });

  test('program ids stay when lines move or another policy comes', () => {
    const before = idsOf(compile(policies(...list), pods));
    const unrelated: [string, string, string] = [
      'unrelated',
      app('other'),
      `[{toFQDNs: [{matchName: c.org}], ${https}}]`,
    ];
    expect(idsOf(compile(policies(unrelated, ...list), pods))).toEqual(before);
  });

  test('program ids stay when another policy brings classes of its own', () => {
    const two = policies([
      'b',
      app('b'),
      `[${connectItem('a.org', '{port: 80, protocol: TCP}')}, ${connectItem('a.org', '{port: 443, protocol: TCP}')}]`,
    ]);
    const b = pod('b', { app: 'b' });
    const [alone] = idsOf(compile(two, [b]));
    expect(idsOf(compile([...policies(['a', app('a'), oneName]), ...two], [pod('a', { app: 'a' }), b]))[1]).toBe(alone);
  });

  test('a changed port is another program', () => {
    const before = compile(policies(['a', '{}', oneName]), pods);
    const after = compile(policies(['a', '{}', oneName.replace('443', '444')]), pods);
    expect(idsOf(after)).not.toEqual(idsOf(before));
  });
});

test('classes are distinct port sets', () => {
  const egress = [
    connectItem('a.org', '{port: 443, protocol: TCP}'),
    connectItem('b.org', '{port: 443, protocol: UDP}, {port: 443, protocol: TCP}'),
    connectItem('c.org', '{port: 443, protocol: TCP}, {port: 443, protocol: UDP}'),
    '{toFQDNs: [{matchName: d.org}]}',
  ];
  const { classes, programs } = compile(policies(['p', '{}', `[${egress.join(', ')}]`]), [pod('a')]);
  expect(classes.map(({ id }) => id)).toEqual(['tcp443', 'tcp443_udp443', 'any']);
  expect(programs[0]?.names.map((name) => name.classes)).toEqual([[0], [1], [1], [2]]);
  expect(programs[0]?.classes).toEqual([0, 1, 2]);
});

test('the table of who may ask what, over which protocol', () => {
  const egress = [
    dnsItem('UDP', '{matchPattern: "*.ubuntu.com"}, {matchName: aws.amazon.com}'),
    dnsItem('TCP', '{matchName: sub.ubuntu.com}'),
    `{toFQDNs: [{matchName: cilium.io}], ${https}}`,
  ];
  const compiled = compile(policies(['p', '{}', `[${egress.join(', ')}]`]), [pod('a')]);
  const verdict = (name: string) => decide(compiled, 0, name.split('.'));
  expect(verdict('www.ubuntu.com')).toEqual({ mayAskUdp: true, mayAskTcp: false, classes: [] });
  expect(verdict('sub.ubuntu.com')).toEqual({ mayAskUdp: true, mayAskTcp: true, classes: [] });
  expect(verdict('aws.amazon.com')).toEqual({ mayAskUdp: true, mayAskTcp: false, classes: [] });
  expect(verdict('cilium.io')).toEqual({ mayAskUdp: true, mayAskTcp: true, classes: [0] });
  expect(verdict('example.com')).toEqual({ mayAskUdp: false, mayAskTcp: false, classes: [] });
});

describe('a compiler that goes on', () => {
  const toPods = `[{toEndpoints: [{matchLabels: {app: db}}], ${https}}]`;
  const pods = [pod('a', { app: 'a' }), { ...pod('db', { app: 'db' }), addresses: ['10.0.0.2'] }];
  const world = { ...EMPTY_WORLD, pods, knowsAllPods: true };

  test('a policy that only audits from now on denies no more', () => {
    const [enforced = expect.fail()] = policies(['a', app('a'), toPods]);
    const compiler = new Compiler();
    expect(compiler.compile([enforced], world).programs[0]?.otherwise).toBe('deny');
    expect(compiler.compile([{ ...enforced, isAudited: true }], world).programs[0]?.otherwise).toBe('allow');
  });

  test('the pods of a Service, and those that stand for the DNS servers, are those of now', () => {
    const db = { namespace: 'shop', name: 'db', labels: {}, selector: { app: 'db' }, addresses: [] };
    const compiler = new Compiler();
    const all = policies(['a', app('a'), '[{toServices: [{k8sService: {serviceName: db}}]}]']);
    const places = ['10.0.0.2', '10.0.0.3'].map((address) => {
      const now = pods.map((each) => (each.name === 'db' ? { ...each, addresses: [address] } : each));
      return compiler.compile(all, { ...world, pods: now, services: [db] }).destinations.map(({ cidrs }) => cidrs);
    });
    expect(places).toEqual([[['10.0.0.2']], [['10.0.0.3']]]);
  });

  test('a pod that gets the address of a DNS server is taken for one', () => {
    const all = policies(['a', app('a'), '[{toEndpoints: [{matchLabels: {app: db}}]}]']);
    const compiler = new Compiler();
    const asked = ['10.0.0.2', '10.0.0.53'].map((address) => {
      const now = pods.map((each) => (each.name === 'db' ? { ...each, addresses: [address] } : each));
      return compiler.compile(all, { ...world, pods: now, dnsServers: ['10.0.0.53'] }).programs[0]?.names.length;
    });
    expect(asked).toEqual([0, 1]);
  });

  test('needs no more room for policies that change often', () => {
    const compiler = new Compiler();
    const sizes = Array.from({ length: 20 }, () => {
      const { destinations, rules } = compiler.compile(policies(['a', app('a'), toPods]), world);
      return [destinations.length, rules.length];
    });
    expect(new Set(sizes.slice(1).map(String)).size).toBe(1);
    expect(sizes.at(-1)).toEqual(sizes[0]);
  });

  test('gives room back when most of it is free', () => {
    const compiler = new Compiler();
    const items = Array.from({ length: 2_000 }, () => '{toEndpoints: [{matchLabels: {app: db}}]}').join();
    compiler.compile(policies(['a', app('a'), `[${items}]`]), world);
    const { destinations, rules } = compiler.compile(policies(['a', app('a'), toPods]), world);
    expect([destinations.length, rules.length]).toEqual([1, 2]);
  });
});

test('10,000 patterns over 250 pods compile in a second', () => {
  const names = Array.from({ length: 100 }, (_, i) => `{matchPattern: "*.n${i}.example.org"}`).join(', ');
  const many = policies(
    ...Array.from({ length: 100 }, (_, i): [string, string, string] => [
      `p${i}`,
      app(`a${i % 50}`),
      `[{toFQDNs: [${names}], ${https}}]`,
    ]),
  );
  const pods = Array.from({ length: 250 }, (_, i) => pod(`p${i}`, { app: `a${i % 50}` }));
  const started = performance.now();
  expect(compile(many, pods).programs).toHaveLength(50);
  expect(performance.now() - started).toBeLessThan(1000);
});
