import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import { compile } from '../../../src/policy/compile.ts';
import type { CompiledPolicy, Destination } from '../../../src/policy/compiled.ts';
import { decide } from '../../../src/policy/match.ts';
import type { Peer, ReachRule } from '../../../src/policy/policy.ts';
import { Slots } from '../../../src/policy/slots.ts';
import { lowerReach } from '../../../src/policy/static-rules.ts';
import { allow, compiled, deny, document, OPTIONS, pod, PODS, read, verdictOf } from './static-policies.ts';

describe('pods as destinations', () => {
  const clusterwide = (item: string) =>
    compile(read(document('c', allow(item), 'CiliumClusterwideNetworkPolicy')), PODS, OPTIONS);

  test.each<[why: string, item: string, opened: string[]]>([
    ['of the policy’s namespace', '{toEndpoints: [{matchLabels: {app: db}}]}', ['10.0.0.2']],
    ['all of it', '{toEndpoints: [{}]}', ['10.0.0.1', '10.0.0.2']],
    [
      'of another by its name',
      '{toEndpoints: [{matchLabels: {app: db, k8s:io.kubernetes.pod.namespace: other}}]}',
      ['10.0.0.3'],
    ],
    [
      'of every other',
      '{toEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [shop]}]}]}',
      ['10.0.0.3'],
    ],
    [
      'of two selectors',
      '{toEndpoints: [{matchLabels: {app: db}}, {matchLabels: {app: web}}]}',
      ['10.0.0.1', '10.0.0.2'],
    ],
    ['nobody', '{toEndpoints: [{matchLabels: {app: none}}]}', []],
  ])('%s', (_why, item, opened) => {
    expect(compiled(allow(item)).destinations.map(({ cidrs }) => cidrs.toSorted())).toEqual([opened]);
  });

  test('a cluster-wide policy’s are of every namespace', () => {
    expect(clusterwide('{toEndpoints: [{matchLabels: {app: db}}]}').destinations[0]?.cidrs).toEqual([
      '10.0.0.2',
      '10.0.0.3',
    ]);
  });

  test('on their ports', () => {
    const policy = compiled(
      allow('{toEndpoints: [{matchLabels: {app: db}}], toPorts: [{ports: [{port: 5432, protocol: TCP}]}]}'),
    );
    expect(verdictOf(policy, 'tcp 10.0.0.2 5432')).toBe('allow');
    expect(verdictOf(policy, 'tcp 10.0.0.2 5433')).toBe('none');
  });

  test('where not all pods are known nobody is opened, and whoever is denied denies everybody', () => {
    const [selected, denied] = [allow('{toEndpoints: [{}]}'), deny('{toEndpoints: [{matchLabels: {app: db}}]}')].map(
      (lists) => compile(read(document('p0', lists)), PODS, { ...OPTIONS, knowsAllPods: false }),
    );
    expect(selected?.destinations.map(({ cidrs }) => cidrs)).toEqual([[]]);
    expect(verdictOf(denied ?? expect.fail(), 'tcp 192.0.2.1 1')).toBe('deny');
  });

  test('one that comes is an address more, and another program of nobody', () => {
    const policies = read(document('p0', allow('{toEndpoints: [{matchLabels: {app: db}}]}')));
    const before = compile(policies, PODS, OPTIONS);
    const after = compile(policies, [...PODS, pod('db-2', '10.0.0.9', 'db')], OPTIONS);
    expect(after.destinations).toEqual([{ key: before.destinations[0]?.key, cidrs: ['10.0.0.2', '10.0.0.9'] }]);
    expect(after.programs[0]?.id).toBe(before.programs[0]?.id);
  });
});

describe('named ports', () => {
  const dual: Pod = {
    ...pod('dual', '10.0.0.4', 'dual'),
    addresses: ['10.0.0.4', '2001:db8::4'],
    ports: [
      { name: 'web', port: 8080, protocol: 'tcp' },
      { name: 'web', port: 8081, protocol: 'udp' },
      { name: 'stats', port: 9000, protocol: 'tcp' },
    ],
  };
  const other: Pod = { ...pod('other', '10.0.0.5', 'x'), ports: [{ name: 'web', port: 80, protocol: 'tcp' }] };
  const everybody: Peer = { kind: 'pods', selector: { requirements: [] } };
  const isWeb: ReachRule = {
    kind: 'reach',
    verdict: 'allow',
    to: [everybody],
    traffic: { ports: [], icmp: [] },
    namedPorts: [{ name: 'web', protocols: ['tcp'] }],
    at: 'p.yaml:1:1',
  };

  /** `tcp 8080 10.0.0.4`, and `any` for whom no address stands. */
  function lowered(more: Partial<ReachRule>, knowsAllPods = true): string[] {
    const slots = new Slots<Destination>();
    const surroundings = { pods: [other, dual], knowsAllPods, nodes: [], services: [], protectedRanges: [] };
    const context = { rule: 0, key: 'k', isAudited: false };
    const { statics, verdict } = lowerReach({ ...isWeb, ...more }, context, slots, surroundings);
    return statics.map(({ to, traffic }) => {
      const ports = traffic === 'all' ? [] : traffic.ports;
      const what = traffic === 'all' ? 'all' : ports.map(({ protocol, first }) => `${protocol} ${first}`).join();
      return [verdict, what, ...(typeof to === 'number' ? slots.get(to).cidrs : [to])].join(' ');
    });
  }

  test.each<[why: string, more: Partial<ReachRule>, rules: string[]]>([
    ['are the number that each pod has', {}, ['allow tcp 80 10.0.0.5', 'allow tcp 8080 10.0.0.4 2001:db8::4']],
    ['of its protocol', { namedPorts: [{ name: 'web', protocols: ['udp'] }] }, ['allow udp 8081 10.0.0.4 2001:db8::4']],
    ['nobody’s where nobody has one', { namedPorts: [{ name: 'http', protocols: ['tcp'] }] }, []],
    [
      'of addresses that a CIDR has',
      { to: [{ kind: 'cidr', cidr: '10.0.0.4/31', except: ['10.0.0.5'] }] },
      ['allow tcp 8080 10.0.0.4'],
    ],
    [
      'beside numbers',
      { to: [{ kind: 'any' }], traffic: { ports: [{ protocol: 'udp', first: 53, last: 53 }], icmp: [] } },
      ['allow udp 53 any', 'allow tcp 80 10.0.0.5', 'allow tcp 8080 10.0.0.4 2001:db8::4'],
    ],
  ])('%s', (_why, more, rules) => expect(lowered(more)).toEqual(rules));

  test.each(['deny', 'pass'] as const)(
    'of pods that are not known: what would be a %s denies every port',
    (verdict) => {
      expect(lowered({ verdict }, false)).toEqual(['deny all any']);
      expect(lowered({ verdict, to: [{ kind: 'any' }] }, false)).toEqual(['deny all any']);
    },
  );

  test('of pods that are not known open nothing', () => expect(lowered({}, false)).toEqual([]));
});

describe('names that may be asked', () => {
  const ask = (policy: CompiledPolicy) => {
    const { mayAskUdp, mayAskTcp } = decide(policy, 0, ['a', 'example', 'org']);
    return [...(mayAskUdp ? ['udp'] : []), ...(mayAskTcp ? ['tcp'] : [])].join();
  };
  const names = '{toFQDNs: [{matchName: a.example.org}]}';

  test.each<[why: string, lists: string, over: string]>([
    [
      'all, where port 53 of any destination is open',
      allow('{toPorts: [{ports: [{port: 53, protocol: UDP}]}]}'),
      'udp',
    ],
    ['also as part of a range', allow('{toPorts: [{ports: [{port: 1, endPort: 99, protocol: TCP}]}]}'), 'tcp'],
    ['also where everything is', allow('{toEntities: [all]}'), 'udp,tcp'],
    ['none, where other ports are', allow('{toPorts: [{ports: [{port: 443}]}]}'), ''],
    ['none, where only the world is', allow('{toEntities: [world]}'), ''],
    ['none, where only ICMP is', allow('{icmps: [{fields: [{type: 8}]}]}'), ''],
    ['those of pods that the cluster’s DNS would be among', clusterDnsAmongOthers(), 'udp,tcp'],
    [
      'none over what is denied everywhere',
      `egress: [${names}], egressDeny: [{toPorts: [{ports: [{port: 53, protocol: UDP}]}]}]`,
      'tcp',
    ],
    ['none at all, when everything is denied', `egress: [${names}], egressDeny: [{toEntities: [all]}]`, ''],
    [
      'still those of toFQDNs, when the world is denied',
      `egress: [${names}], egressDeny: [{toEntities: [world]}]`,
      'udp,tcp',
    ],
  ])('%s', (_why, lists, over) => expect(ask(compiled(lists))).toBe(over));

  function clusterDnsAmongOthers(): string {
    return allow(
      '{toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: 53}]}]}',
    );
  }

  test('rules.dns opens no address, port 53 alone does', () => {
    const filtered = compiled(allow('{toPorts: [{ports: [{port: 53}], rules: {dns: [{matchPattern: "*"}]}}]}'));
    expect(verdictOf(filtered, 'udp 192.0.2.53 53')).toBe('none');
    expect(verdictOf(compiled(allow('{toPorts: [{ports: [{port: 53}]}]}')), 'udp 192.0.2.53 53')).toBe('allow');
  });
});

describe('identity', () => {
  const idOf = (...documents: readonly string[]) => compile(read(...documents), PODS, OPTIONS).programs[0]?.id;
  const base = document('p0', 'egress: [{toCIDR: [192.0.2.0/24]}]');

  test('a destination is named by its policy and the number of its rule', () => {
    const { destinations } = compiled(
      'egress: [{toFQDNs: [{matchName: a.org}]}, {toCIDR: [192.0.2.0/24]}], egressDeny: [{toCIDR: [192.0.2.1/32]}]',
    );
    expect(destinations).toEqual([
      { key: 'CiliumNetworkPolicy/shop/p0#1', cidrs: ['192.0.2.0/24'] },
      { key: 'CiliumNetworkPolicy/shop/p0#2', cidrs: ['192.0.2.1'] },
    ]);
  });

  test('only of policies that select a pod', () => {
    const unused = document('p1', 'egress: [{toCIDR: [198.51.100.0/24]}]').replace('app: web', 'app: nobody');
    expect(compile(read(base, unused), PODS, OPTIONS).destinations).toHaveLength(1);
  });

  test.each<[why: string, other: string]>([
    ['an allow that becomes a denial', document('p0', 'egressDeny: [{toCIDR: [192.0.2.0/24]}]')],
    ['a port', document('p0', 'egress: [{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 1}]}]}]')],
    ['any destination instead of one', document('p0', 'egress: [{toEntities: [all]}]')],
    ['the node itself instead of one', document('p0', 'egress: [{toEntities: [host]}]')],
    ['another policy of equal content', document('p1', 'egress: [{toCIDR: [192.0.2.0/24]}]')],
    ['a rule more', document('p0', 'egress: [{toCIDR: [192.0.2.0/24]}, {toCIDR: [192.0.2.0/24]}]')],
  ])('%s is another program', (_why, other) => expect(idOf(other)).not.toBe(idOf(base)));

  test.each<[why: string, other: string]>([
    ['other addresses', document('p0', 'egress: [{toCIDR: [198.51.100.0/24]}]')],
    ['another line', `# why\n${base}`],
  ])('%s are not', (_why, other) => expect(idOf(other)).toBe(idOf(base)));
});

test('a rule that cannot be read leaves nothing of the static rules either', () => {
  const [policy] = read(document('p0', 'egress: [{toEntities: [all]}], egressDeny: [{toEntities: [host]}]'));
  const rules = policy?.rules.map((rule) => ({ ...rule, isFinal: true as const })) ?? [];
  const closed = compile(policy === undefined ? [] : [{ ...policy, rules }], PODS, OPTIONS);
  expect(closed.programs).toMatchObject([{ names: [], segments: [{ deny: [], classes: [], allow: [] }] }]);
});
