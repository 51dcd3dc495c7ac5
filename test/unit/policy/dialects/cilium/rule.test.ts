import { describe, expect, test } from 'vitest';
import { CLUSTERWIDE, policyOf, read, refusals, ruleOf } from '../cilium-documents.ts';

const EGRESS = 'egress: [{toCIDR: [192.0.2.0/24]}]';
const DENIALS = 'egressDeny: [{toCIDR: [192.0.2.0/24]}]';
const INGRESS = 'ingress: [{fromEndpoints: [{}]}]';
const rules = (lists: string, kind?: string) => policyOf(`{endpointSelector: {}, ${lists}}`, kind).rules;
const isolates = (lists: string) => rules(lists).map((rule) => rule.isolates);

describe('what takes pods their open egress', () => {
  test.each<[why: string, lists: string, isolates: boolean[]]>([
    ['egress does', EGRESS, [true]],
    ['also when it lists nothing that is allowed', 'egress: [{}]', [true]],
    ['egressDeny does', DENIALS, [true]],
    ['nothing does against enableDefaultDeny', `${EGRESS}, ${DENIALS}, enableDefaultDeny: {egress: false}`, [false]],
    ['to say so explicitly is the same', `${EGRESS}, enableDefaultDeny: {egress: true}`, [true]],
    ['what is said of ingress is not about egress', `${EGRESS}, enableDefaultDeny: {ingress: false}`, [true]],
    ['ingress alone does not: the rule is not there', INGRESS, []],
    ['nor ingressDeny', 'ingressDeny: [{fromEntities: [world]}]', []],
    ['unless it is said', `${INGRESS}, enableDefaultDeny: {egress: true}`, [true]],
    ['ingress with egress does', `${INGRESS}, ${EGRESS}`, [true]],
  ])('%s', (_why, lists, expected) => expect(isolates(lists)).toEqual(expected));

  test('a rule that does not isolate still allows and denies', () => {
    const [rule] = rules(`${EGRESS}, ${DENIALS}, enableDefaultDeny: {egress: false}`);
    expect(rule?.egress).toMatchObject([{ verdict: 'allow' }, { verdict: 'deny' }]);
  });

  test('each spec is for itself', () => {
    const [found] = read(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p}
specs:
  - {endpointSelector: {}, ${EGRESS}, enableDefaultDeny: {egress: false}}
  - {endpointSelector: {}, ${INGRESS}}
  - {endpointSelector: {}, ${EGRESS}}
`);
    expect(found?.rules.map((rule) => rule.isolates)).toEqual([false, true]);
  });
});

describe('ingress', () => {
  test('is left to the CNI, and said at its place; nothing in it is read', () => {
    const { notes } = policyOf(`{endpointSelector: {}, ${EGRESS}, ingress: [{nonsense: 1}], ingressDeny: [{}]}`);
    expect(notes).toMatchObject([
      {
        code: 'left-to-cni',
        at: expect.stringMatching(/^p\.yaml:4:\d+$/) as unknown,
        message: 'ingress is left to your CNI: namewall judges egress only',
      },
      { code: 'left-to-cni', message: 'ingressDeny is left to your CNI: namewall judges egress only' },
    ]);
  });

  test('without it nothing is said', () =>
    expect(policyOf(`{endpointSelector: {}, ${EGRESS}}`)).not.toHaveProperty('notes'));

  test('an empty one is not there', () => {
    expect(policyOf(`{endpointSelector: {}, ${EGRESS}, ingress: []}`)).not.toHaveProperty('notes');
  });

  test.each<[why: string, lists: string, message: string]>([
    ['no list', 'ingress: {}', 'Cannot use a mapping for ingress: it must be a list; begin each item with "- "'],
    ['no value', 'ingress:', 'Cannot use no value for ingress: it must be a list; list its items'],
    ['no rule', 'ingress: [web]', 'Cannot read an item of ingress: it must be a mapping'],
  ])('that is %s is refused', (_why, lists, message) => {
    expect(refusals(`{endpointSelector: {}, ${EGRESS}, ${lists}}`)).toEqual([message]);
  });
});

describe('empty lists', () => {
  const NOTHING =
    'rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny; write "egress: [{}]" to deny everything';

  test.each(['', 'ingress: []', 'ingress: [], ingressDeny: []'])(
    'a rule that has nothing else is refused: "%s"',
    (lists) => expect(refusals(`{endpointSelector: {}, ${lists}}`)).toEqual([NOTHING]),
  );

  test('to deny by default is no list', () => {
    expect(refusals('{endpointSelector: {}, enableDefaultDeny: {egress: true}}')).toEqual([NOTHING]);
  });

  test.each([
    ['egress', DENIALS, 'write "egress: [{}]" to deny everything'],
    ['egress', INGRESS, 'write "egress: [{}]" to deny everything'],
    ['egressDeny', EGRESS, 'list what is denied'],
  ])('an empty %s, which restricts nothing in Cilium, is refused', (field, other, instead) => {
    expect(refusals(`{endpointSelector: {}, ${other}, ${field}: []}`)).toEqual([
      `Cannot use an empty list for ${field}: it would restrict nothing; ${instead}, or remove it`,
    ]);
  });

  test.each(['egress', 'egressDeny'])('%s without a value is refused: a template may render it', (field) => {
    expect(refusals(`{endpointSelector: {}, ${field}:}`)).toEqual([
      `Cannot use no value for ${field}: it must be a list; list its items`,
    ]);
  });
});

describe('whom a rule is for', () => {
  test.each<[why: string, spec: string, kind: string | undefined, message: string]>([
    [
      'neither pods nor nodes',
      `{${EGRESS}}`,
      undefined,
      'rule must have one of EndpointSelector or NodeSelector; write endpointSelector: {} for every pod of the namespace',
    ],
    [
      'nodes in a policy of a namespace',
      `{nodeSelector: {}, ${EGRESS}}`,
      undefined,
      'Invalid CiliumNetworkPolicy spec: rule cannot have NodeSelector; write endpointSelector, for pods',
    ],
    [
      'pods and nodes',
      `{endpointSelector: {}, nodeSelector: {}, ${EGRESS}}`,
      CLUSTERWIDE,
      'rule cannot have both EndpointSelector and NodeSelector; write two rules',
    ],
    [
      'nodes, whose own traffic nobody judges here',
      `{nodeSelector: {}, ${EGRESS}}`,
      CLUSTERWIDE,
      "Cannot enforce nodeSelector: the host's own traffic is not judged; leave the rule to Cilium and remove it here",
    ],
  ])('%s is refused', (_why, spec, kind, message) => expect(refusals(spec, kind)).toEqual([message]));
});

test('a rule carries what it says of itself', () => {
  const rule = ruleOf(`{endpointSelector: {}, ${EGRESS}, description: Partner, labels: [{key: team, value: shop}]}`);
  expect(rule).toMatchObject({ description: 'Partner', labels: ['team=shop'] });
});
