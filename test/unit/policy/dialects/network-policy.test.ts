// What a NetworkPolicy means: namespaces x, y, z with pods a, b, c each, as the suites of Kubernetes have them, and the node beside them.
import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../../src/pods/pod.ts';
import { compile, type CompileOptions } from '../../../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../../../src/policy/compiled.ts';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';
import { decide } from '../../../../src/policy/match.ts';
import type { Policy } from '../../../../src/policy/policy.ts';
import { staticVerdict } from '../../../../src/policy/static-match.ts';
import { packet } from '../static-policies.ts';
import { networkPolicy, problemsOf } from './problems.ts';

const NAMESPACES = ['x', 'y', 'z'];
const PODS: readonly Pod[] = NAMESPACES.flatMap((namespace, i) =>
  ['a', 'b', 'c'].map((name, k) => ({
    uid: `${namespace}/${name}`,
    namespace,
    name,
    labels: { pod: name },
    namespaceLabels: { 'kubernetes.io/metadata.name': namespace, ns: namespace },
    addresses: [addressOf(i, k)],
    // The same name is another number in each namespace.
    ports: [{ name: 'serve-80-tcp', port: 80 + i, protocol: 'tcp' }],
  })),
);
function addressOf(i: number, k: number): string {
  return `10.0.${i}.${k + 1}`;
}
const address = (name: string): string =>
  PODS.find(({ uid }) => uid === name)?.addresses[0] ?? expect.fail(`no pod ${name}`);

function read(...documents: readonly string[]): readonly Policy[] {
  const found = readPolicies(documents.join('---\n'), 'p.yaml');
  if (!found.ok) throw new Error(JSON.stringify(found.problems));
  return found.value;
}

/** `lines` is the spec; pod x/a asks, unless it says otherwise. */
const policy = (lines: string, name = 'p', annotations = '{}'): string =>
  `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, namespace: x, annotations: ${annotations}}
spec:
${lines.replace(/^/gm, '  ')}
`;
const egress = (item: string, name?: string, annotations?: string): string =>
  policy(`podSelector: {matchLabels: {pod: a}}\npolicyTypes: [Egress]\negress: [${item}]`, name, annotations);

const OPTIONS: CompileOptions = {
  knowsAllPods: true,
  nodes: [],
  services: [],
  dnsServers: ['10.96.0.10'],
  protectedRanges: ['169.254.0.0/16'],
};
const compiledOf = (documents: readonly string[], pods = PODS): CompiledPolicy =>
  compile(read(...documents), pods, OPTIONS);

/** `open`: no policy isolates it, and no rule mentions the packet. */
function verdict(compiled: CompiledPolicy, to: string, from = 'x/a'): string {
  const program = compiled.programOfPod[PODS.findIndex(({ uid }) => uid === from)] ?? -1;
  if (program < 0) return 'open';
  const text = to.replace(/\b[xyz]\/[abc]\b/, address);
  const { verdict: found, told } = staticVerdict(compiled, program, packet(text), isNeverGranted);
  const otherwise = compiled.programs[program]?.otherwise;
  if (found !== 'none' || otherwise === undefined) return found;
  if (otherwise === 'deny') return otherwise;
  return told.length > 0 ? 'would-deny' : 'open';
}
const isNeverGranted = (bytes: Uint8Array): boolean => bytes[12] === 169 && bytes[13] === 254;

const mayAsk = (compiled: CompiledPolicy, from = 'x/a'): readonly [udp: boolean, tcp: boolean] => {
  const { mayAskUdp, mayAskTcp } = decide(
    compiled,
    compiled.programOfPod[PODS.findIndex(({ uid }) => uid === from)] ?? -1,
    ['example', 'org'],
  );
  return [mayAskUdp, mayAskTcp];
};

/** Allowed and not, as packets of x/a. */
function expectVerdicts(documents: readonly string[], allowed: readonly string[], denied: readonly string[]): void {
  const compiled = compiledOf(documents);
  const verdicts = [...allowed, ...denied].map((each) => [each, verdict(compiled, each)]);
  expect(verdicts).toEqual([...allowed.map((each) => [each, 'allow']), ...denied.map((each) => [each, 'deny'])]);
}

describe('whom it isolates', () => {
  test.each([
    ['no egress at all', 'podSelector: {}\npolicyTypes: [Egress]'],
    ['an empty list', 'podSelector: {}\npolicyTypes: [Egress]\negress: []'],
    ['both types', 'podSelector: {}\npolicyTypes: [Ingress, Egress]\ningress: [{}]'],
    ['without a selector', 'policyTypes: [Egress]'],
  ])('policyTypes Egress without a rule denies all, DNS too: %s', (_why, spec) => {
    const compiled = compiledOf([policy(spec)]);
    for (const to of ['tcp x/b 80', 'udp 192.0.2.1 53', 'icmp 192.0.2.1 8', '47 192.0.2.1']) {
      expect(verdict(compiled, to)).toBe('deny');
    }
    expect(mayAsk(compiled)).toEqual([false, false]);
    expect(verdict(compiled, 'tcp x/b 80', 'y/a')).toBe('open');
  });

  test.each([
    ['policyTypes Ingress', 'policyTypes: [Ingress]\ningress: []'],
    ['neither policyTypes nor egress', 'ingress: []'],
    ['an empty spec', 'podSelector: {}'],
    ['policyTypes Ingress, although egress is listed', 'policyTypes: [Ingress]\negress: []'],
  ])('ingress is isolated independently, and is left to the CNI: %s', (_why, spec) => {
    const policies = read(policy(spec));
    expect(policies).toMatchObject([{ rules: [] }]);
    expect(policies[0]?.notes?.map(({ code }) => code)).toContain('left-to-cni');
    expect(verdict(compile(policies, PODS, OPTIONS), 'tcp x/b 80')).toBe('open');
  });

  test('policyTypes that are omitted or empty are Egress if there is egress', () => {
    for (const types of ['', '\npolicyTypes: []']) {
      const compiled = compiledOf([policy(`podSelector: {}\negress: [{ports: [{port: 80}]}]${types}`)]);
      expect(verdict(compiled, 'tcp x/b 80')).toBe('allow');
      expect(verdict(compiled, 'tcp x/b 81')).toBe('deny');
    }
  });

  test('an empty podSelector is every pod of the namespace', () => {
    const compiled = compiledOf([policy('podSelector: {}\npolicyTypes: [Egress]')]);
    expect(['x/a', 'x/b', 'x/c', 'y/a'].map((from) => verdict(compiled, 'tcp z/c 80', from))).toEqual([
      'deny',
      'deny',
      'deny',
      'open',
    ]);
  });

  test('labels that change move pods in and out', () => {
    const other = PODS.map((pod) => (pod.uid === 'x/a' ? { ...pod, labels: { pod: 'b' } } : pod));
    const document = egress('{to: [{podSelector: {matchLabels: {pod: b}}}]}');
    expect(verdict(compiledOf([document]), 'tcp x/c 80')).toBe('deny');
    expect(verdict(compiledOf([document], other), 'tcp x/c 80')).toBe('open');
    expect(verdict(compiledOf([document], other), 'tcp x/c 80', 'x/b')).toBe('open');
  });
});

describe('additive', () => {
  const denyAll = policy('podSelector: {}\npolicyTypes: [Egress]', 'deny-all');

  test('an allow-all beats a deny-all', () => {
    expectVerdicts([denyAll, egress('{}')], ['tcp x/b 80', 'icmp 192.0.2.1 8', '47 192.0.2.1'], []);
    expect(mayAsk(compiledOf([denyAll, egress('{}')]))).toEqual([true, true]);
  });

  test('without policies nothing is enforced', () => {
    expect(verdict(compile([], PODS, OPTIONS), 'tcp x/b 80')).toBe('open');
  });

  test('what another dialect denies no NetworkPolicy gives back, and what it allows adds up', () => {
    const cilium = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: c, namespace: x}
spec:
  endpointSelector: {}
  egress: [{toCIDR: [198.51.100.0/24]}]
  egressDeny: [{toCIDR: [192.0.2.1/32]}]
`;
    const documents = [cilium, egress('{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}')];
    expectVerdicts(documents, ['tcp 192.0.2.2 80', 'tcp 198.51.100.1 80'], ['tcp 192.0.2.1 80', 'tcp 203.0.113.1 80']);
  });
});

describe('peers', () => {
  test('a podSelector alone is about the own namespace', () => {
    expectVerdicts(
      [egress('{to: [{podSelector: {matchLabels: {pod: b}}}]}')],
      ['tcp x/b 80', 'icmp x/b 8'],
      ['tcp x/c 80', 'tcp y/b 80', 'tcp 192.0.2.1 80'],
    );
  });

  test('an empty podSelector is every pod of the own namespace', () => {
    expectVerdicts([egress('{to: [{podSelector: {}}]}')], ['tcp x/b 80', 'tcp x/c 80'], ['tcp y/b 80']);
  });

  test('a namespaceSelector alone is every pod of these namespaces; an empty one of all', () => {
    const one = '{to: [{namespaceSelector: {matchLabels: {ns: y}}}]}';
    expectVerdicts([egress(one)], ['tcp y/a 80', 'tcp y/c 80'], ['tcp x/b 80', 'tcp z/a 80']);
    const all = '{to: [{namespaceSelector: {}}]}';
    expectVerdicts([egress(all)], ['tcp x/b 80', 'tcp z/c 80'], ['tcp 192.0.2.1 80', 'udp 10.96.0.10 53']);
    // The cluster's DNS is a pod of some namespace.
    expect(mayAsk(compiledOf([egress(all)]))).toEqual([true, true]);
    expect(mayAsk(compiledOf([egress(one)]))).toEqual([false, false]);
  });

  test('both in one element must hold', () => {
    const item = '{to: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}';
    expectVerdicts([egress(item)], ['tcp y/b 80'], ['tcp y/a 80', 'tcp x/b 80', 'tcp z/b 80']);
  });

  test('of two elements either is enough', () => {
    const item = '{to: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}]}';
    expectVerdicts([egress(item)], ['tcp y/a 80', 'tcp y/b 80', 'tcp x/b 80'], ['tcp x/c 80', 'tcp z/b 80']);
  });

  test('NotIn on the name of the namespace', () => {
    const expression = '{key: kubernetes.io/metadata.name, operator: NotIn, values: [y, z]}';
    const item = `{to: [{namespaceSelector: {matchExpressions: [${expression}]}}]}`;
    expectVerdicts([egress(item)], ['tcp x/b 80'], ['tcp y/b 80', 'tcp z/b 80']);
  });

  test.each([
    ['In', '{key: pod, operator: In, values: [b, c]}', ['tcp x/b 80', 'tcp x/c 80'], []],
    ['NotIn', '{key: pod, operator: NotIn, values: [b]}', ['tcp x/c 80'], ['tcp x/b 80']],
    ['Exists', '{key: pod, operator: Exists}', ['tcp x/b 80', 'tcp x/c 80'], []],
    ['DoesNotExist', '{key: pod, operator: DoesNotExist}', [], ['tcp x/b 80', 'tcp x/c 80']],
    ['NotIn of a label that is absent', '{key: none, operator: NotIn, values: [b]}', ['tcp x/b 80'], []],
  ])('matchExpressions: %s', (_why, expression, allowed, denied) => {
    expectVerdicts([egress(`{to: [{podSelector: {matchExpressions: [${expression}]}}]}`)], allowed, denied);
  });

  test('`to` that is absent or empty is everybody, the node itself included, but for what is never opened', () => {
    for (const item of ['{ports: [{port: 80}]}', '{to: [], ports: [{port: 80}]}']) {
      expectVerdicts(
        [egress(item)],
        ['tcp x/b 80', 'tcp 192.0.2.1 80', 'tcp 192.0.2.1 80 host', 'tcp 2001:db8::1 80'],
        ['tcp 192.0.2.1 81', 'tcp 169.254.169.254 80'],
      );
    }
  });
});

describe('ipBlock', () => {
  test('a block of one address that a pod has means the pod', () => {
    const item = `{to: [{ipBlock: {cidr: ${address('y/b')}/32}}]}`;
    expectVerdicts([egress(item)], ['tcp y/b 80'], ['tcp y/a 80']);
  });

  test('except is left out', () => {
    const item = '{to: [{ipBlock: {cidr: 10.0.1.0/24, except: [10.0.1.2/32]}}]}';
    expectVerdicts([egress(item)], ['tcp y/a 80', 'tcp 10.0.1.99 80'], ['tcp y/b 80', 'tcp 192.0.2.1 80']);
  });

  test.each([
    ['in the same rule', (a: string, b: string) => [egress(`{to: [${a}, ${b}]}`)]],
    ['in another rule', (a: string, b: string) => [egress(`{to: [${a}]}, {to: [${b}]}`)]],
    ['in another policy', (a: string, b: string) => [egress(`{to: [${a}]}`), egress(`{to: [${b}]}`, 'q')]],
  ])('what one block excepts another may list: %s', (_why, documents) => {
    const excepting = '{ipBlock: {cidr: 10.0.1.0/24, except: [10.0.1.0/28]}}';
    expectVerdicts(documents(excepting, '{ipBlock: {cidr: 10.0.1.2/32}}'), ['tcp y/b 80'], ['tcp y/a 80']);
  });

  test('of IPv6', () => {
    const item = '{to: [{ipBlock: {cidr: "2001:db8::/32", except: ["2001:db8:1::/48"]}}]}';
    expectVerdicts([egress(item)], ['tcp 2001:db8::1 80'], ['tcp 2001:db8:1::1 80', 'tcp 192.0.2.1 80']);
  });

  test('a block that the address of the node is in does not open the node', () => {
    expectVerdicts(
      [egress('{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}')],
      ['tcp 192.0.2.1 80'],
      ['tcp 192.0.2.1 80 host', 'tcp 169.254.169.254 80'],
    );
  });

  test('one that has a DNS server and port 53 lets names be asked', () => {
    const item = (cidr: string) => `{to: [{ipBlock: {cidr: ${cidr}}}], ports: [{port: 53, protocol: UDP}]}`;
    expect(mayAsk(compiledOf([egress(item('10.96.0.0/16'))]))).toEqual([true, false]);
    expect(mayAsk(compiledOf([egress(item('10.97.0.0/16'))]))).toEqual([false, false]);
  });
});

describe('ports', () => {
  test('a named port is that of the destination pod', () => {
    const item = '{to: [{namespaceSelector: {}}], ports: [{port: serve-80-tcp}]}';
    expectVerdicts(
      [egress(item)],
      ['tcp x/b 80', 'tcp y/b 81', 'tcp z/b 82'],
      ['tcp x/b 81', 'tcp y/b 80', 'udp x/b 80', 'tcp 192.0.2.1 80'],
    );
  });

  test('a named port of another protocol, or that nobody has, opens nothing', () => {
    for (const port of ['{port: serve-80-tcp, protocol: UDP}', '{port: serve-443-tcp}']) {
      expectVerdicts([egress(`{ports: [${port}]}`)], [], ['tcp x/b 80', 'udp x/b 80', 'tcp x/b 443']);
    }
  });

  test('without `protocol` it is TCP', () => {
    expectVerdicts([egress('{ports: [{port: 80}]}')], ['tcp x/b 80'], ['udp x/b 80', 'sctp x/b 80', 'icmp x/b 8']);
  });

  test('SCTP is not TCP, and a rule for SCTP alone isolates the pod for TCP', () => {
    expectVerdicts([egress('{ports: [{port: 80, protocol: SCTP}]}')], ['sctp x/b 80'], ['tcp x/b 80', 'udp x/b 80']);
  });

  test('UDP does not allow TCP', () => {
    expectVerdicts([egress('{ports: [{port: 80, protocol: UDP}]}')], ['udp x/b 80'], ['tcp x/b 80', 'udp x/b 81']);
  });

  test('endPort is inclusive', () => {
    expectVerdicts(
      [egress('{ports: [{port: 80, endPort: 90}]}')],
      ['tcp x/b 80', 'tcp x/b 85', 'tcp x/b 90'],
      ['tcp x/b 79', 'tcp x/b 91', 'udp x/b 85'],
    );
  });

  test('an item without port is every port of its protocol', () => {
    expectVerdicts([egress('{ports: [{protocol: UDP}]}')], ['udp x/b 1', 'udp x/b 65535'], ['tcp x/b 80']);
    expectVerdicts([egress('{ports: [{}]}')], ['tcp x/b 1', 'tcp x/b 65535'], ['udp x/b 80', 'icmp x/b 8']);
  });

  test('`ports` that are absent or empty are everything, ICMP too', () => {
    for (const ports of ['', ', ports: []']) {
      const item = `{to: [{ipBlock: {cidr: 192.0.2.0/24}}]${ports}}`;
      expectVerdicts(
        [egress(item)],
        ['tcp 192.0.2.1 1', 'sctp 192.0.2.1 9', 'icmp 192.0.2.1 8', '47 192.0.2.1'],
        ['tcp x/b 80'],
      );
    }
  });

  test('egress [{}] is everything', () => {
    expectVerdicts([egress('{}')], ['tcp x/b 80', 'tcp 192.0.2.1 80 host', '47 192.0.2.1'], ['tcp 169.254.169.254 80']);
  });
});

describe('mode audit', () => {
  const audit = '{namewall.io/mode: audit}';

  test('what a policy that audits does not list passes and is told, DNS too', () => {
    const policies = read(egress('{ports: [{port: 80}]}', 'p', audit));
    expect(policies).toMatchObject([{ isAudited: true }]);
    const compiled = compile(policies, PODS, OPTIONS);
    expect(['tcp x/b 80', 'tcp x/b 81'].map((to) => verdict(compiled, to))).toEqual(['allow', 'would-deny']);
    expect(compiled.programs[0]?.unlisted).toEqual({ udp: 'would-deny', tcp: 'would-deny' });
  });

  test('beside one that is enforced it allows what it lists, and no more', () => {
    const documents = [egress('{ports: [{port: 80}]}', 'p', audit), egress('{ports: [{port: 81}]}', 'q')];
    expectVerdicts(documents, ['tcp x/b 80', 'tcp x/b 81'], ['tcp x/b 82']);
  });
});

test('another order of policies compiles to the same', () => {
  const documents = [egress('{ports: [{port: 80}]}', 'p'), egress('{ports: [{port: 81}]}', 'q')];
  const [one, other] = [compiledOf(documents), compiledOf(documents.toReversed())];
  expect(other.programs.map(({ id }) => id)).toEqual(one.programs.map(({ id }) => id));
});

test.each([
  [
    'another group with the same kind',
    'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n',
    [
      '1:13: unknown-kind: Cannot read a NetworkPolicy of apiVersion "projectcalico.org/v3": write "networking.k8s.io/v1"',
    ],
  ],
  [
    'neither metadata nor spec',
    'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n',
    [
      '1:1: missing-field: Add "metadata" to the policy: it is missing; write metadata: {name: my-policy}',
      '1:1: missing-field: Add "spec" to the policy: it is missing; write spec: {podSelector: {}, policyTypes: [Egress]}',
    ],
  ],
  [
    'unknown fields',
    networkPolicy('  endpointSelector: {}\n  egress: [{toPorts: []}]\nsepc: {}'),
    [
      '5:3: unknown-field: Cannot use field "endpointSelector" in spec: it is unknown; write podSelector',
      '6:13: unknown-field: Cannot use field "toPorts" in an egress rule: it is unknown; write ports: [{port: 443}]',
      '7:1: unknown-field: Cannot use field "sepc" in a NetworkPolicy: it is unknown; did you mean "spec"?',
    ],
  ],
  [
    'values that are no lists',
    networkPolicy('  policyTypes: [Egress]\n  egress: {}'),
    ['6:11: wrong-type: Cannot use a mapping for egress: it must be a list; begin each item with "- "'],
  ],
  [
    'no value where an absent field would open everything',
    networkPolicy('  egress: [{to: null, ports: null}]'),
    [
      '5:17: wrong-type: Cannot use no value for to: it must be a list; list its items',
      '5:30: wrong-type: Cannot use no value for ports: it must be a list; list its items',
    ],
  ],
  [
    'what is wrong where it has no effect',
    networkPolicy('  policyTypes: [Ingress]\n  egress: [{to: [{}]}]'),
    [
      '6:18: bad-rule: Cannot use an empty item of to: must specify a peer; write podSelector, namespaceSelector ({} is every pod) or ipBlock',
    ],
  ],
])('refuses %s', (_why, text, expected) => {
  expect(problemsOf(text)).toEqual(expected);
});

test('reads the places of the document, its spec and its rules', () => {
  expect(read(networkPolicy('  policyTypes: [Egress]\n  egress:\n    - {}'))).toEqual([
    {
      kind: 'NetworkPolicy',
      namespace: 'shop',
      name: 'p',
      at: 'p.yaml:1:1',
      rules: [
        {
          at: 'p.yaml:5:3',
          selector: { namespace: 'shop', requirements: [] },
          isolates: true,
          egress: [{ kind: 'reach', verdict: 'allow', to: [{ kind: 'any' }], traffic: 'all', at: 'p.yaml:7:7' }],
        },
      ],
    },
  ]);
});
