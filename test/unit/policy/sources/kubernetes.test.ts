import { describe, expect, test } from 'vitest';
import { keepPolicy, type PolicyObject } from '../../../../src/kubernetes/objects.ts';
import { selects } from '../../../../src/policy/select.ts';
import { closeNamespaces, PolicyHistory } from '../../../../src/policy/sources/kubernetes.ts';
import type { KubernetesObject } from '../../../kubernetes/api-server.ts';
import { clusterPolicy, policy } from '../../../support/kubernetes-objects.ts';

function kept(raw: KubernetesObject): PolicyObject {
  const object = keepPolicy(raw.apiVersion, raw.kind)(raw);
  if (object === undefined) throw new Error('No policy');
  return object;
}

const judge = (...objects: KubernetesObject[]) => new PolicyHistory().judge(objects.map(kept));

const specless = (name: string, more: object = {}): KubernetesObject => {
  const { spec: _spec, ...rest } = policy(name, []);
  return { ...rest, ...more };
};
const bad = (name: string, spec: object, kind = policy) => ({ ...kind(name, []), spec });
const web = {
  uid: 'u',
  namespace: 'shop',
  name: 'w',
  labels: { app: 'web' },
  namespaceLabels: { team: 'a' },
  addresses: ['10.0.1.7'],
};
const db = { ...web, labels: { app: 'db' } };
const other = { ...web, namespace: 'other', namespaceLabels: {} };
const pods = { web, db, other };

/** Which pods the policies take the open egress from, and whether they allow anything for it. */
function effect(object: KubernetesObject): { closed: string[]; allows: boolean } {
  const rules = judge(object).policies.flatMap((each) => each.rules);
  const closed = Object.entries(pods).filter(([, pod]) => rules.some(({ selector }) => selects(selector, pod)));
  return { closed: closed.map(([name]) => name), allows: rules.some(({ egress }) => egress.length > 0) };
}

test('a policy has the identity of its object, and its places are paths', () => {
  const [found] = judge(policy('p', ['a.example.org'])).policies;
  expect(found).toMatchObject({
    kind: 'CiliumNetworkPolicy',
    namespace: 'shop',
    name: 'p',
    at: 'CiliumNetworkPolicy shop/p',
  });
  expect(found?.rules[0]?.at).toBe('CiliumNetworkPolicy shop/p: spec');
  expect(found?.rules[0]?.egress).toMatchObject([
    { names: [{ at: 'CiliumNetworkPolicy shop/p: spec.egress[0].toFQDNs[0].matchName' }] },
  ]);
});

test('a cluster-wide policy belongs to no namespace', () => {
  const [found] = judge(clusterPolicy('p', ['a.example.org'])).policies;
  expect(found).toMatchObject({ namespace: '', at: 'CiliumClusterwideNetworkPolicy p' });
});

test('labels of namespaces select', () => {
  const selector = { 'k8s:io.cilium.k8s.namespace.labels.team': 'a' };
  expect(effect(clusterPolicy('p', ['a.example.org'], selector)).closed).toEqual(['web', 'db']);
});

test('policies stand in the order of their names, whatever the order of events', () => {
  const [a, b] = [policy('a', ['a.example.org']), policy('b', ['a.example.org'])];
  expect(judge(b, a)).toEqual(judge(a, b));
});

test('problems say where', () => {
  const { problems } = judge(policy('p', ['a.example.org', 'a..b']));
  expect(problems.map(({ at, code }) => `${at} ${code}`)).toEqual([
    'CiliumNetworkPolicy shop/p policy-refused',
    'CiliumNetworkPolicy shop/p: spec.egress[0].toFQDNs[1].matchName bad-name',
  ]);
});

test('a wrong policy does not touch the others', () => {
  const { policies } = judge(policy('bad', ['a..b']), policy('good', ['a.example.org']));
  expect(policies.map(({ name, rules }) => [name, rules[0]?.egress.length])).toEqual([
    ['bad', 0],
    ['good', 1],
  ]);
});

describe('a policy that was never good', () => {
  const egress = [{ toGroups: [] }];
  const selector = { matchLabels: { app: 'web' } };

  test.each<[why: string, object: KubernetesObject, closed: string[]]>([
    ['the pods it selects', bad('p', { endpointSelector: selector, egress }), ['web']],
    [
      'its namespace when its selector is wrong',
      bad('p', { endpointSelector: { matchLabels: 1 }, egress }),
      ['web', 'db'],
    ],
    ['its namespace when its selector is missing', bad('p', { egress }), ['web', 'db']],
    ['its namespace when it has no spec', specless('p'), ['web', 'db']],
    ['its namespace when its spec is no mapping', { ...policy('p', []), spec: 'x' }, ['web', 'db']],
    ['its namespace when specs is no list', specless('p', { specs: 'x' }), ['web', 'db']],
    ['what each of its specs selects', specless('p', { specs: [{ endpointSelector: selector, egress }] }), ['web']],
    ['every pod, for a cluster-wide one without selector', bad('p', { egress }, clusterPolicy), ['web', 'db', 'other']],
    ['no pod, for a rule about nodes', bad('p', { nodeSelector: {}, egress }, clusterPolicy), []],
    ['the pods that a misspelt rule meant', bad('p', { endpointSelector: selector, egresss: [] }), ['web']],
    ['what an annotation for namewall that nobody understands stands on', annotated(), ['web', 'db']],
  ])('closes %s', (_why, object, closed) => {
    expect(effect(object)).toEqual({ closed, allows: false });
    expect(judge(object).problems).not.toEqual([]);
  });

  test('closes them although its default is not to deny, and whether it audits or not', () => {
    const object = bad('p', { endpointSelector: selector, egress, enableDefaultDeny: { egress: false } });
    const annotations = { 'namewall.io/mode': 'audit' };
    const [found] = judge({ ...object, metadata: { ...object.metadata, annotations } }).policies;
    expect(found?.rules).toMatchObject([{ isolates: true, egress: [] }]);
    expect(found).not.toHaveProperty('isAudited');
  });

  test('closes its pods also against other policies when it denies', () => {
    const denials = [{ toGroups: [] }];
    const object = bad('p', { endpointSelector: selector, egressDeny: denials, enableDefaultDeny: { egress: false } });
    expect(judge(object).policies[0]?.rules).toMatchObject([{ isolates: true, isFinal: true }]);
  });

  function annotated(): KubernetesObject {
    const object = policy('p', ['a.example.org']);
    return { ...object, metadata: { ...object.metadata, annotations: { 'namewall.io/x': 'y' } } };
  }
});

describe('a policy that was good', () => {
  const good = kept(policy('p', ['a.example.org']));
  const wrong = kept(policy('p', ['a..b']));
  const names = (history: PolicyHistory, ...objects: PolicyObject[]): (string | undefined)[] =>
    history.judge(objects).policies.map(({ rules }) => {
      const [egress] = rules[0]?.egress ?? [];
      return egress?.kind === 'connect' ? egress.names[0]?.text : undefined;
    });

  test('stays in force when its next version is wrong, and that is said', () => {
    const history = new PolicyHistory();
    history.judge([good]);
    expect(names(history, wrong)).toEqual(['a.example.org']);
    expect(history.judge([wrong]).problems[0]?.message).toContain('its last good version stays in force');
  });

  test('gives way to the next good version', () => {
    const history = new PolicyHistory();
    history.judge([good]);
    history.judge([wrong]);
    expect(names(history, kept(policy('p', ['b.example.org'])))).toEqual(['b.example.org']);
    expect(history.superseded()).toEqual([]);
  });

  test('is forgotten when it is deleted', () => {
    const history = new PolicyHistory();
    history.judge([good]);
    history.judge([]);
    expect(names(history, wrong)).toEqual([undefined]);
  });

  test('leaves nothing to one of the same name that was made anew', () => {
    const history = new PolicyHistory();
    history.judge([good]);
    const anew = { ...wrong, metadata: { ...wrong.metadata, uid: 'new' } };
    expect(names(history, anew)).toEqual([undefined]);
  });

  test('outlives a restart', () => {
    const history = new PolicyHistory();
    history.judge([good]);
    history.judge([wrong]);
    expect(history.superseded()).toEqual([good]);
    expect(names(new PolicyHistory([wrong, ...history.superseded()]), wrong)).toEqual(['a.example.org']);
  });
});

test('pods as destinations are refused: those of other nodes are not known', () => {
  const egress = [{ toEndpoints: [{ matchLabels: { app: 'db' } }] }];
  const { policies, problems } = judge(bad('p', { endpointSelector: {}, egress }));
  expect(policies[0]?.rules).toMatchObject([{ egress: [] }]);
  expect(problems[1]).toMatchObject({
    code: 'not-supported',
    at: 'CiliumNetworkPolicy shop/p: spec.egress[0].toEndpoints[0]',
    message: expect.stringContaining('the pods of other nodes are not known') as unknown,
  });
});

test('the cluster’s DNS is one of their destinations all the same', () => {
  const dns = { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s:k8s-app': 'kube-dns' };
  const egress = [{ toEndpoints: [{ matchLabels: dns }], toPorts: [{ ports: [{ port: '53', protocol: 'ANY' }] }] }];
  expect(judge(bad('p', { endpointSelector: {}, egress }))).toMatchObject({
    policies: [{ rules: [{ egress: [{ kind: 'ask', overUdp: true, overTcp: true }] }] }],
    problems: [],
  });
});

test('ingress alone closes nobody', () => {
  const { policies, problems } = judge(bad('p', { endpointSelector: {}, ingress: [{}] }));
  expect(policies).toMatchObject([{ rules: [] }]);
  expect(problems).toEqual([]);
});

test('a policy that does not deny by default, and one that audits', () => {
  const egress = [{ toCIDR: ['192.0.2.0/24'] }];
  const object = bad('p', { endpointSelector: {}, egress, enableDefaultDeny: { egress: false } });
  const audited = { ...object, metadata: { ...object.metadata, annotations: { 'namewall.io/mode': 'audit' } } };
  expect(judge(audited)).toMatchObject({ policies: [{ isAudited: true, rules: [{ isolates: false }] }], problems: [] });
});

test.each<[why: string, item: object]>([
  ['Services', { toServices: [{ k8sService: { serviceName: 'db' } }] }],
  ['nodes', { toNodes: [{}] }],
  ['every pod and node', { toEntities: ['cluster'] }],
  ['other nodes', { toEntities: ['remote-node'] }],
  ['groups of CIDRs', { toCIDRSet: [{ cidrGroupRef: 'a' }] }],
  ['named ports', { toPorts: [{ ports: [{ port: 'https' }] }] }],
  [
    'more of the cluster’s DNS than names',
    { toServices: [{ k8sService: { serviceName: 'kube-dns', namespace: 'kube-system' } }] },
  ],
])('%s are refused as destinations, and a denial of them closes the pods for good', (_why, item) => {
  expect(judge(bad('p', { endpointSelector: {}, egress: [item] })).policies[0]?.rules).toMatchObject([{ egress: [] }]);
  const { rules = [] } = judge(bad('p', { endpointSelector: {}, egressDeny: [item] })).policies[0] ?? {};
  expect(rules).toMatchObject([{ isFinal: true, egress: [] }]);
});

test('every pod of a namespace that is not known loses its open egress, and that is said', () => {
  const { policies, problems } = closeNamespaces(['other']);
  expect(policies.flatMap(({ rules }) => rules)).toMatchObject([
    { selector: { namespace: 'other', requirements: [] }, egress: [] },
  ]);
  expect(problems).toMatchObject([{ code: 'namespace-unknown', at: 'Namespace other' }]);
});

test('an object that did not change is read once', () => {
  const history = new PolicyHistory();
  const object = kept(policy('p', ['a.example.org']));
  const [first] = history.judge([object]).policies;
  expect(history.judge([object]).policies[0]).toBe(first);
});
