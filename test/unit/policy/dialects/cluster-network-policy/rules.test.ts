// What rules of ClusterNetworkPolicies do with packets, and with questions, after all policies of a pod are compiled together.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../../../src/pods/pod.ts';
import { compile, type CompileOptions } from '../../../../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../../../../src/policy/compiled.ts';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';
import { takesPort } from '../../../../../src/policy/ports.ts';
import { judgePacket } from '../../../../../src/policy/static-match.ts';
import { packet, pod } from '../../static-policies.ts';

const inNamespace = (labels: Record<string, string>, each: Pod): Pod => ({
  ...each,
  namespaceLabels: { 'kubernetes.io/metadata.name': each.namespace, ...labels },
});
const web = inNamespace({ team: 'a' }, pod('web', '10.0.0.1', 'web'));
const db = { ...inNamespace({ team: 'a' }, pod('db', '10.0.0.2', 'db')), ports: [portOf('sql', 5432)] };
const otherDb = { ...inNamespace({ team: 'b' }, pod('db', '10.0.0.3', 'db', 'other')), ports: [portOf('sql', 3306)] };
const DNS = '10.0.9.53';
const WORLD: CompileOptions = {
  knowsAllPods: true,
  dnsServers: [DNS],
  nodes: [
    { name: 'here', labels: { role: 'edge' }, addresses: ['10.1.0.1'], isLocal: true },
    { name: 'there', labels: { role: 'edge' }, addresses: ['10.1.0.2'], isLocal: false },
    { name: 'far', labels: {}, addresses: ['10.1.0.3'], isLocal: false },
  ],
};

function portOf(name: string, port: number) {
  return { name, port, protocol: 'tcp' as const };
}

interface Written {
  readonly name?: string;
  readonly tier?: string;
  readonly priority?: number;
  readonly subject?: string;
  readonly annotations?: string;
}

function policy({ name = 'p', tier = 'Admin', priority = 1, ...rest }: Written, ...rules: readonly string[]): string {
  const { subject = '{namespaces: {}}', annotations = '{}' } = rest;
  return `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: ${name}, annotations: ${annotations}}
spec: {tier: ${tier}, priority: ${priority}, subject: ${subject}, egress: [${rules.join(', ')}]}
`;
}

/** One of namespace shop, which isolates its pods but for what it lists. */
function cilium(lists: string): string {
  return `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: shop}\nspec: {endpointSelector: {}, ${lists}}\n`;
}

const rule = (action: string, peers: string, protocols?: string): string =>
  `{action: ${action}, to: [${peers}]${protocols === undefined ? '' : `, protocols: [${protocols}]`}}`;
const ACCEPT = rule('Accept', '{networks: [192.0.2.0/24]}');
const DENY = rule('Deny', '{networks: [192.0.2.0/24]}');
const PASS = rule('Pass', '{networks: [192.0.2.0/24]}');
const INSIDE = 'tcp 192.0.2.1 443';

function compiled(documents: readonly string[], pods: readonly Pod[] = [web, db, otherDb]): CompiledPolicy {
  const read = readPolicies(documents.join('---\n'), 'p.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return compile(read.value, pods, WORLD);
}

/** What becomes of a packet of the first pod, to an address that was granted for these names (as they are written). */
function outcome(found: CompiledPolicy, text: string, ...granted: readonly string[]): string {
  const index = found.programOfPod[0] ?? -1;
  const program = found.programs[index];
  const { address, protocol, port, isHost } = packet(text);
  const open = (program?.names ?? []).flatMap(({ text: name, classes }) => (granted.includes(name) ? classes : []));
  const isGranted = (classes: readonly number[]): boolean =>
    classes.some((each) => {
      const ports = found.classes[each]?.ports ?? [];
      const isTaken =
        typeof protocol === 'number' || protocol === 'icmp' || protocol === 'icmpv6'
          ? ports === 'all'
          : takesPort(ports === 'all' ? 'all' : { ports, icmp: [] }, protocol, port);
      return open.includes(each) && isTaken;
    });
  const judged = judgePacket(
    found,
    index,
    { address, protocol, port, isHost },
    { isGranted, isNeverGranted: () => false },
  );
  if (judged.verdict !== 'none') return judged.told.length > 0 ? `${judged.verdict}, told` : judged.verdict;
  const rest = program?.otherwise ?? 'allow';
  return judged.told.length > 0 ? `${rest}, told` : rest;
}

/** Which names may be asked over UDP: `every`, or those that are listed. */
function asked({ programs: [program] }: CompiledPolicy): string {
  const names = (program?.names ?? []).flatMap(({ text, askUdp }) => (askUdp ? [text] : []));
  return names.includes('*') || program?.unlisted.udp === 'allow' ? 'every' : names.join();
}

describe('actions', () => {
  test.each<[why: string, documents: string[], wanted: string]>([
    ['nothing matches: open', [policy({}, rule('Deny', '{networks: [198.51.100.0/24]}'))], 'allow'],
    ['Accept', [policy({}, ACCEPT)], 'allow'],
    ['Deny', [policy({}, DENY)], 'deny'],
    ['Pass, and nothing after it: open', [policy({}, PASS)], 'allow'],
    ['the first rule that matches decides: Accept', [policy({}, ACCEPT, DENY)], 'allow'],
    ['the first rule that matches decides: Deny', [policy({}, DENY, ACCEPT)], 'deny'],
    ['the first rule that matches decides: Pass', [policy({}, PASS, DENY)], 'allow'],
    ['a rule between them that does not match changes nothing', [policy({}, ...threeRules())], 'deny'],
    ['Accept in Admin beats isolation', [policy({}, ACCEPT), cilium('egress: [{}]')], 'allow'],
    ['Accept in Admin beats egressDeny', [policy({}, ACCEPT), cilium('egressDeny: [{toEntities: [all]}]')], 'allow'],
    ['Deny in Admin beats an allow', [policy({}, DENY), cilium('egress: [{toEntities: [all]}]')], 'deny'],
    [
      'Pass goes on to CiliumNetworkPolicy: allowed',
      [policy({}, PASS, DENY), cilium('egress: [{toCIDR: [192.0.2.0/24]}]')],
      'allow',
    ],
    ['Pass goes on to CiliumNetworkPolicy: isolated', [policy({}, PASS, ACCEPT), cilium('egress: [{}]')], 'deny'],
    [
      'Pass skips the other policies of the tier, too',
      [policy({ name: 'a' }, PASS), policy({ name: 'b', priority: 2 }, DENY)],
      'allow',
    ],
    ['Pass goes on to Baseline', [policy({}, PASS), policy({ name: 'b', tier: 'Baseline' }, DENY)], 'deny'],
    ['Deny in Baseline', [policy({ tier: 'Baseline' }, DENY)], 'deny'],
    ['Accept in Baseline', [policy({ tier: 'Baseline' }, ACCEPT, DENY)], 'allow'],
    ['Pass in Baseline goes on at the default', [policy({ tier: 'Baseline' }, PASS, DENY)], 'allow'],
    [
      'who is isolated never comes to Baseline',
      [policy({ tier: 'Baseline' }, ACCEPT), cilium('egress: [{toCIDR: [198.51.100.0/24]}]')],
      'deny',
    ],
    [
      'what is allowed before never comes to Baseline',
      [policy({ tier: 'Baseline' }, DENY), cilium('egress: [{toCIDR: [192.0.2.0/24]}]')],
      'allow',
    ],
    ['Admin before Baseline', [policy({ tier: 'Baseline' }, ACCEPT), policy({ name: 'b' }, DENY)], 'deny'],
  ])('%s', (_why, documents, wanted) => {
    expect(outcome(compiled(documents), INSIDE)).toBe(wanted);
    expect(outcome(compiled(documents.toReversed()), INSIDE)).toBe(wanted);
  });

  function threeRules(): string[] {
    return [DENY.replace('24]', '32]'), rule('Accept', '{networks: [198.51.100.0/24]}'), DENY];
  }
});

describe('priority', () => {
  test.each<[why: string, documents: string[], wanted: string]>([
    [
      'the lower number first',
      [policy({ name: 'z', priority: 5 }, ACCEPT), policy({ name: 'a', priority: 6 }, DENY)],
      'allow',
    ],
    [
      'as a number, not as a text',
      [policy({ name: 'a', priority: 10 }, ACCEPT), policy({ name: 'b', priority: 9 }, DENY)],
      'deny',
    ],
    [
      'of Baseline, too',
      [
        policy({ name: 'a', priority: 1000, tier: 'Baseline' }, ACCEPT),
        policy({ name: 'b', priority: 0, tier: 'Baseline' }, DENY),
      ],
      'deny',
    ],
    ['equal: by name', [policy({ name: 'b' }, DENY), policy({ name: 'a' }, ACCEPT)], 'allow'],
    [
      'of policies that select the pod only',
      [
        policy({ name: 'a', priority: 1, subject: '{pods: {podSelector: {matchLabels: {app: db}}}}' }, DENY),
        policy({ name: 'b', priority: 2 }, ACCEPT),
      ],
      'allow',
    ],
  ])('%s', (_why, documents, wanted) => {
    expect(outcome(compiled(documents), INSIDE)).toBe(wanted);
    expect(outcome(compiled(documents.toReversed()), INSIDE)).toBe(wanted);
  });
});

test.each<[subject: string, pods: readonly Pod[]]>([
  ['{namespaces: {}}', [web, db, otherDb]],
  ['{namespaces: {matchLabels: {team: a}}}', [web, db]],
  ['{namespaces: {matchLabels: {kubernetes.io/metadata.name: other}}}', [otherDb]],
  ['{pods: {podSelector: {matchLabels: {app: db}}}}', [db, otherDb]],
  ['{pods: {namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: db}}}}', [otherDb]],
])('subject %s', (subject, pods) => {
  const { programOfPod } = compiled([policy({ subject }, DENY)]);
  expect([web, db, otherDb].filter((_, i) => programOfPod[i] !== -1)).toEqual(pods);
});

describe('peers', () => {
  const DESTINATIONS = ['10.0.0.2', '10.0.0.3', '10.1.0.1 0 host', '10.1.0.2', '10.1.0.3', '192.0.2.1', '2001:db8::1'];

  test.each<[peers: string, denied: string[]]>([
    ['{namespaces: {}}', ['10.0.0.2', '10.0.0.3']],
    ['{namespaces: {matchLabels: {team: b}}}', ['10.0.0.3']],
    ['{pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: db}}}}', ['10.0.0.2']],
    ['{pods: {podSelector: {}}}', ['10.0.0.2', '10.0.0.3']],
    ['{nodes: {}}', ['10.1.0.1 0 host', '10.1.0.2', '10.1.0.3']],
    ['{nodes: {matchLabels: {role: edge}}}', ['10.1.0.1 0 host', '10.1.0.2']],
    ['{networks: [10.0.0.0/31, 10.0.0.3/32, 192.0.2.0/24]}', ['10.0.0.3', '192.0.2.1']],
    ['{networks: [0.0.0.0/0]}', ['10.0.0.2', '10.0.0.3', '10.1.0.1 0 host', '10.1.0.2', '10.1.0.3', '192.0.2.1']],
    ['{networks: ["::/0"]}', ['2001:db8::1']],
    ['{namespaces: {matchLabels: {team: a}}}, {networks: [192.0.2.0/24]}', ['10.0.0.2', '192.0.2.1']],
  ])('%s', (peers, denied) => {
    const found = compiled([policy({}, rule('Deny', peers))]);
    const isDenied = (text: string): boolean => {
      const [address = '', port = '0', host = ''] = text.split(' ');
      return outcome(found, `tcp ${address} ${port} ${host}`.trim()) === 'deny';
    };
    expect(DESTINATIONS.filter(isDenied)).toEqual(denied);
  });

  test.each<[why: string, protocols: string | undefined, denied: string[]]>([
    [
      'all',
      undefined,
      ['tcp 10.0.0.2 5432', 'tcp 10.0.0.3 5432', 'tcp 10.0.0.3 3306', 'udp 10.0.0.2 5432', 'icmp 10.0.0.2 8'],
    ],
    ['a port', '{tcp: {destinationPort: {number: 5432}}}', ['tcp 10.0.0.2 5432', 'tcp 10.0.0.3 5432']],
    ['a range', '{tcp: {destinationPort: {range: {start: 3000, end: 4000}}}}', ['tcp 10.0.0.3 3306']],
    ['a protocol', '{tcp: {}}', ['tcp 10.0.0.2 5432', 'tcp 10.0.0.3 5432', 'tcp 10.0.0.3 3306']],
    [
      'a name, that is another number at each pod',
      '{destinationNamedPort: sql}',
      ['tcp 10.0.0.2 5432', 'tcp 10.0.0.3 3306'],
    ],
    ['a name that no pod has', '{destinationNamedPort: none}', []],
  ])('protocols: %s', (_why, protocols, denied) => {
    const packets = [
      'tcp 10.0.0.2 5432',
      'tcp 10.0.0.3 5432',
      'tcp 10.0.0.3 3306',
      'udp 10.0.0.2 5432',
      'icmp 10.0.0.2 8',
    ];
    const found = compiled([policy({}, rule('Deny', '{namespaces: {}}', protocols))]);
    expect(packets.filter((text) => outcome(found, text) === 'deny')).toEqual(denied);
  });
});

describe('names', () => {
  const NAME = rule('Accept', '{domainNames: [api.example.org]}', '{tcp: {destinationPort: {number: 443}}}');
  const ALL = rule('Deny', '{networks: [0.0.0.0/0, "::/0"]}');

  test('are opened where they stand: before a Deny, not behind it', () => {
    const before = compiled([policy({}, NAME, DENY)]);
    const behind = compiled([policy({}, DENY, NAME)]);
    expect(outcome(before, INSIDE, 'api.example.org')).toBe('allow');
    expect(outcome(behind, INSIDE, 'api.example.org')).toBe('deny');
    expect(outcome(before, INSIDE)).toBe('deny');
  });

  test('behind a Deny are another class of the kernel than before it', () => {
    const idsOf = (...documents: readonly string[]) => compiled(documents).classes.map(({ id }) => id);
    const [before] = idsOf(policy({}, NAME, DENY));
    const [behind] = idsOf(policy({}, DENY, NAME));
    expect(before).toMatch(/^tcp443_[0-9a-f]{12}$/);
    expect(behind).not.toBe(before);
    expect(idsOf(policy({}, NAME, DENY, NAME))).toEqual([before, expect.not.stringMatching(before ?? '')]);
    expect(idsOf(policy({}, NAME))).toEqual([before]);
    expect(idsOf(policy({ name: 'a' }, DENY), policy({ priority: 2 }, NAME))).not.toEqual([behind]);
    expect(idsOf(policy({}, ALL, NAME))).toEqual([behind]); // its addresses may change: it stands where it stood
  });

  test('the segments of a program say the same', () => {
    const found = compiled([policy({}, NAME, DENY, NAME)]);
    const [before, behind] = found.programs[0]?.segments ?? [];
    expect([before?.deny.length, behind?.deny.length]).toEqual([0, 1]);
    expect(before?.classes).not.toEqual(behind?.classes);
  });

  test('one of Admin beats isolation, one of Baseline does not', () => {
    const isolated = cilium('egress: [{}]');
    const granted = (tier: string) => outcome(compiled([policy({ tier }, NAME), isolated]), INSIDE, 'api.example.org');
    expect([granted('Admin'), granted('Baseline')]).toEqual(['allow', 'deny']);
  });

  test('on their ports', () => {
    const found = compiled([policy({}, NAME, ALL)]);
    expect(outcome(found, 'tcp 192.0.2.1 80', 'api.example.org')).toBe('deny');
  });

  test.each<[why: string, documents: string[], names: string]>([
    ['filter no DNS', [policy({}, NAME)], 'every'],
    ['open none of a pod that is isolated', [policy({}, NAME), cilium('egress: [{}]')], ''],
    [
      'leave what others let be asked',
      [policy({}, NAME), cilium('egress: [{toFQDNs: [{matchName: a.example.org}]}]')],
      'a.example.org',
    ],
    ['open none behind a Deny of everything', [policy({}, NAME, ALL)], ''],
    ['and need a rule for DNS then', [policy({}, dnsRule(), NAME, ALL)], 'every'],
  ])('%s', (_why, documents, names) => expect(asked(compiled(documents))).toBe(names));

  function dnsRule(): string {
    return rule('Accept', `{networks: [${DNS}/32]}`, '{udp: {destinationPort: {number: 53}}}');
  }
});

describe('audit mode', () => {
  const annotations = '{namewall.io/mode: audit}';

  test('what it denies passes and is told', () => {
    expect(outcome(compiled([policy({ annotations }, DENY)]), INSIDE)).toBe('allow, told');
    expect(outcome(compiled([policy({ annotations }, DENY), cilium('egress: [{}]')]), INSIDE)).toBe('deny, told');
  });

  test('what it accepts is accepted', () => {
    expect(outcome(compiled([policy({ annotations }, ACCEPT), cilium('egress: [{}]')]), INSIDE)).toBe('allow');
  });
});

describe('policies/examples/cluster-network-policy.yaml', () => {
  const text = readFileSync(
    new URL('../../../../../policies/examples/cluster-network-policy.yaml', import.meta.url),
    'utf8',
  );
  const checkout = inNamespace({}, pod('checkout', '10.0.0.1', 'checkout', 'payments'));
  const other = inNamespace({}, pod('report', '10.0.0.4', 'report', 'payments'));
  const found = compiled([text], [checkout, other, db]);

  test.each<[why: string, packet: string, granted: string[], wanted: string]>([
    ['a card processor', 'tcp 192.0.2.1 443', ['api.cards.example.org'], 'allow'],
    ['its other ports', 'tcp 192.0.2.1 80', ['api.cards.example.org'], 'deny'],
    ['a name of the ledger', 'tcp 2001:db8::1 443', ['*.ledger.example.net'], 'allow'],
    ['monitoring, first port', 'tcp 192.0.2.1 4317', ['metrics.vendor.example.com.'], 'allow'],
    ['monitoring, last port', 'tcp 192.0.2.1 4318', ['metrics.vendor.example.com.'], 'allow'],
    ['monitoring, a port more', 'tcp 192.0.2.1 4319', ['metrics.vendor.example.com.'], 'deny'],
    ['monitoring over UDP', 'udp 192.0.2.1 4317', ['metrics.vendor.example.com.'], 'deny'],
    ['an address that nobody looked up', 'tcp 192.0.2.1 443', [], 'deny'],
    ['ICMP', 'icmp 192.0.2.1 8', ['api.cards.example.org'], 'deny'],
    ['a pod', 'tcp 10.0.0.2 5432', [], 'allow'],
  ])('%s', (_why, packetText, granted, wanted) => expect(outcome(found, packetText, ...granted)).toBe(wanted));

  test('a pod is left to the policies of its namespace', () => {
    const isolated = cilium('egress: [{}]').replace('shop', 'payments');
    expect(outcome(compiled([`${text}---\n`, isolated], [checkout, db]), 'tcp 10.0.0.2 5432')).toBe('deny');
  });

  test('every name may be asked, of pods that the second policy does not select, too', () => {
    expect(asked(found)).toBe('every');
    expect(found.programOfPod).toEqual([0, 1, -1]);
    expect(outcome(compiled([text], [other]), INSIDE)).toBe('allow');
  });

  test('without the first policy DNS is left to the policies of the namespace', () => {
    const second = text.split('---\n')[1] ?? expect.fail();
    const isolated = cilium('egress: [{}]').replace('shop', 'payments');
    expect(asked(compiled([second, isolated], [checkout]))).toBe('');
    expect(asked(compiled([text, isolated], [checkout]))).toBe('every');
  });
});
