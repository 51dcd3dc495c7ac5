// How the rules of a pod become its program, from the text of policies.
import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import { compile, type CompileOptions } from '../../../src/policy/compile.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import type { Policy } from '../../../src/policy/policy.ts';

const POD: Pod = { uid: 'u', namespace: 'shop', name: 'web', labels: { app: 'web' }, addresses: ['10.1.0.1'] };
const KNOWN: CompileOptions = { knowsAllPods: true, dnsServers: ['10.96.0.10'] };

function read(...documents: readonly string[]): readonly Policy[] {
  const found = readPolicies(documents.join('---\n'), 'p.yaml');
  if (!found.ok) throw new Error(JSON.stringify(found.problems));
  return found.value;
}

/** Of every pod; `place` is the tier and the priority. */
function cluster(name: string, place: string, ...egress: readonly string[]): string {
  const [tier = '', priority = ''] = place.split(' ');
  return `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: ${name}}\nspec: {tier: ${tier}, priority: ${priority}, subject: {namespaces: {}}, egress: [${egress.join()}]}\n`;
}

function cilium(name: string, spec: string): string {
  return `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: {endpointSelector: {}, ${spec}}\n`;
}

const audited = (policy: Policy): Policy => ({ ...policy, isAudited: true });

const accept = (name: string) =>
  `{action: Accept, to: [{domainNames: [${name}]}], protocols: [{tcp: {destinationPort: {number: 443}}}]}`;
const network = (action: string, cidr: string) => `{action: ${action}, to: [{networks: [${cidr}]}]}`;

function programOf(policies: readonly Policy[], options = KNOWN) {
  const compiled = compile(policies, [POD], options);
  const program = compiled.programs[0] ?? expect.fail('no program');
  const idsOf = (indexes: readonly number[]) => indexes.map((index) => compiled.classes[index]?.id ?? '');
  return { ...program, ofNames: program.names.map(({ classes }) => idsOf(classes)) };
}

describe('a class', () => {
  const classesOf = (policies: readonly Policy[]) => programOf(policies).ofNames.flat();

  test('is the same for names with nothing between them', () => {
    const [first, second] = classesOf(read(cluster('a', 'Admin 1', accept('a.example.org'), accept('b.example.org'))));
    expect(second).toBe(first);
  });

  test.each(['Deny', 'Pass'])(
    'behind a %s is another than before it: what was given there is not open here',
    (action) => {
      const egress = [accept('a.example.org'), network(action, '192.0.2.0/24'), accept('b.example.org')];
      const [first, second] = classesOf(read(cluster('a', 'Admin 1', ...egress)));
      expect(second).not.toBe(first);
    },
  );

  test('of another tier is another', () => {
    const normal = read(
      cilium(
        'b',
        'egress: [{toFQDNs: [{matchName: b.example.org}], toPorts: [{ports: [{port: 443, protocol: TCP}]}]}]',
      ),
    );
    const [admin, baseline] = [
      cluster('a', 'Admin 1', accept('a.example.org')),
      cluster('c', 'Baseline 1', accept('c.example.org')),
    ];
    // Audited: whom an enforced policy isolates has nothing of the Baseline tier.
    const ids = classesOf([...read(admin, baseline), ...normal.map(audited)]);
    expect(new Set(ids).size).toBe(3);
    expect(ids).toContain('tcp443');
  });
});

describe('a policy that cannot be read', () => {
  const [policy = expect.fail()] = read(cilium('p', 'egress: [{}]'));
  const closed = (isolates: boolean): Policy => ({
    ...policy,
    rules: policy.rules.map((rule) => ({ ...rule, isolates, egress: [], isFinal: true })),
  });
  const open = read(
    cilium('q', 'egress: [{toEntities: [all]}]'),
    cluster('b', 'Baseline 1', network('Accept', '0.0.0.0/0')),
  );

  test.each([true, false])('closes its pods, whatever others allow (isolates: %s)', (isolates) => {
    const { segments, otherwise, unlisted } = programOf([closed(isolates), ...open.map(audited)]);
    expect(segments).toEqual([{ tier: 'normal', deny: [], pass: [], classes: [], allow: [] }]);
    expect([otherwise, unlisted]).toEqual(['deny', { udp: 'deny', tcp: 'deny' }]);
  });
});

describe('what may be asked', () => {
  const names = 'egress: [{toFQDNs: [{matchName: a.example.org}]}]';
  const denyDns = 'egressDeny: [{toPorts: [{ports: [{port: 53, protocol: UDP}]}]}]';

  const [allows, denies] = [read(cilium('a', names)), read(cilium('b', denyDns))];

  test.each<[why: string, policies: readonly Policy[], askUdp: boolean, isToldUdp: boolean]>([
    ['names of an allow rule', allows, true, false],
    ['none over a transport that is denied', [...allows, ...denies], false, false],
    ['the same, told, where the denial only audits', [...allows, ...denies.map(audited)], true, true],
  ])('%s', (_why, policies, askUdp, isToldUdp) => {
    const {
      names: [name],
      isTold,
    } = programOf(policies);
    expect(name).toMatchObject({ askUdp, askTcp: true });
    expect(isTold).toEqual({ udp: isToldUdp, tcp: false });
  });
});

describe('identity', () => {
  test('names of two policies of equal content are of two programs, though neither isolates', () => {
    const [a, b] = ['a', 'b'].map((name) => programOf(read(cluster(name, 'Admin 1', accept('a.example.org')))));
    expect(a?.id).not.toBe(b?.id);
  });

  test('a program that lets all be asked is another than one of the same rules that lets none', () => {
    const policies = read(cluster('a', 'Admin 1', network('Deny', '10.96.0.0/16')));
    const [about, beside] = [programOf(policies), programOf(policies, { ...KNOWN, dnsServers: ['10.97.0.10'] })];
    expect([about.unlisted.udp, beside.unlisted.udp]).toEqual(['deny', 'allow']);
    expect(about.id).not.toBe(beside.id);
  });
});

const [AUDIT, ENFORCE] = ['audit', 'enforce'];

function denying(tier: 'Admin' | 'Baseline', mode = AUDIT, priority = 10): string {
  return `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: ${tier.toLowerCase()}-${priority}, annotations: { namewall.io/mode: ${mode} } }
spec:
  tier: ${tier}
  priority: ${priority}
  subject: { namespaces: {} }
  egress: [{ action: Deny, to: [{ networks: ["0.0.0.0/0"] }] }]
`;
}

function isolating(mode = AUDIT): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolating, namespace: shop, annotations: { namewall.io/mode: ${mode} } }
spec: { podSelector: {}, policyTypes: [Egress] }
`;
}

function compiledOf(documents: readonly string[]) {
  return compile(read(...documents), [{ ...POD, namespaceLabels: {} }], { ...KNOWN, nodes: [], services: [] });
}

test.each<[why: string, documents: string[], name: string | undefined, unlisted: string]>([
  ['a denial of tier Admin', [denying('Admin')], 'admin-10', 'would-deny'],
  ['the first of two', [denying('Admin', AUDIT, 20), denying('Admin')], 'admin-10', 'would-deny'],
  ['what isolates the pod', [isolating()], 'isolating', 'would-deny'],
  ['a denial of tier Baseline', [denying('Baseline')], 'baseline-10', 'would-deny'],
  ['of all tiers the first', [denying('Baseline'), isolating(), denying('Admin')], 'admin-10', 'would-deny'],
  ['nobody, where a denial counts', [denying('Admin', ENFORCE), isolating()], undefined, 'deny'],
  ['nobody, where isolation counts', [denying('Baseline'), isolating(ENFORCE)], undefined, 'deny'],
])('who would deny a question, if it did not only audit: %s', (_why, documents, name, otherwise) => {
  const { programs, rules } = compiledOf(documents);
  const [program] = programs;
  expect(program?.unlisted).toEqual({ udp: otherwise, tcp: otherwise });
  expect(rules[program?.toldBy.udp ?? -1]?.name).toBe(name);
  expect(rules[program?.toldBy.tcp ?? -1]?.name).toBe(name);
});

test('who tells and who isolates is part of the program, its line is not', () => {
  const idOf = (documents: readonly string[]) => compiledOf(documents).programs[0]?.id;
  expect(idOf([isolating().replaceAll('isolating', 'other')])).not.toBe(idOf([isolating()]));
  expect(idOf([isolating(ENFORCE).replaceAll('isolating', 'other')])).not.toBe(idOf([isolating(ENFORCE)]));
  expect(idOf([`\n\n${isolating()}`])).toBe(idOf([isolating()]));
});
