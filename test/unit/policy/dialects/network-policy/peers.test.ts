import { expect, test } from 'vitest';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';
import { networkPolicyEgress, problemsOf } from '../problems.ts';

const to = (peer: string): string => networkPolicyEgress(`{to: [${peer}]}`);
const label = (kind: string, key: string, value: string) => ({
  subject: { kind, key },
  operator: 'In',
  values: [value],
});

test.each([
  [
    'pods of the own namespace',
    '{podSelector: {matchLabels: {app: db}}}',
    { kind: 'pods', selector: { namespace: 'shop', requirements: [label('label', 'app', 'db')] } },
  ],
  [
    'every pod of the own namespace',
    '{podSelector: {}}',
    { kind: 'pods', selector: { namespace: 'shop', requirements: [] } },
  ],
  ['every pod', '{namespaceSelector: {}}', { kind: 'pods', selector: { requirements: [] } }],
  [
    'pods of some namespaces',
    '{podSelector: {matchLabels: {app: db}}, namespaceSelector: {matchLabels: {team: a}}}',
    {
      kind: 'pods',
      selector: { requirements: [label('namespace-label', 'team', 'a'), label('label', 'app', 'db')] },
    },
  ],
  [
    'a namespace by its name, which is known without its labels',
    '{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}',
    {
      kind: 'pods',
      selector: { requirements: [{ subject: { kind: 'namespace' }, operator: 'In', values: ['other'] }] },
    },
  ],
  [
    'that label of a pod is a label like any other',
    '{podSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}',
    {
      kind: 'pods',
      selector: { namespace: 'shop', requirements: [label('label', 'kubernetes.io/metadata.name', 'other')] },
    },
  ],
  ['a block', '{ipBlock: {cidr: 192.0.2.0/24}}', { kind: 'cidr', cidr: '192.0.2.0/24', except: [] }],
  [
    'a block with bits behind its prefix and exceptions',
    '{ipBlock: {cidr: 192.0.2.7/24, except: [192.0.2.0/25, 192.0.2.128/32]}}',
    { kind: 'cidr', cidr: '192.0.2.7/24', except: ['192.0.2.0/25', '192.0.2.128/32'] },
  ],
  [
    'a block with an empty list of exceptions',
    '{ipBlock: {cidr: "2001:db8::/32", except: []}}',
    { kind: 'cidr', cidr: '2001:db8::/32', except: [] },
  ],
])('reads %s', (_why, peer, expected) => {
  const read = readPolicies(to(peer), 'p.yaml');
  expect(read).toMatchObject({ ok: true });
  const [rule] = read.ok ? (read.value[0]?.rules[0]?.egress ?? []) : [];
  expect(rule).toEqual({ kind: 'reach', verdict: 'allow', to: [expected], traffic: 'all', at: 'p.yaml:5:13' });
});

test.each([
  [
    'no peer',
    '{}',
    [
      '5:19: bad-rule: Cannot use an empty item of to: must specify a peer; write podSelector, namespaceSelector ({} is every pod) or ipBlock',
    ],
  ],
  [
    'no value',
    'null',
    [
      '5:19: wrong-type: Cannot use no value for an item of to: it must be a mapping; write its fields, as in podSelector: …',
    ],
  ],
  [
    'a selector without a value',
    '{podSelector: null}',
    [
      '5:33: wrong-type: Cannot use no value for podSelector: it must be a mapping; write its fields, as in matchLabels: …',
    ],
  ],
  [
    'a block beside a selector',
    '{ipBlock: {cidr: 192.0.2.0/24}, podSelector: {}}',
    ['5:20: bad-rule: may not specify both ipBlock and another peer; write two items of to'],
  ],
  [
    'a block beside a selector of namespaces',
    '{namespaceSelector: {}, ipBlock: {cidr: 192.0.2.0/24}}',
    ['5:43: bad-rule: may not specify both ipBlock and another peer; write two items of to'],
  ],
  [
    'an unknown field',
    '{podSelecter: {}}',
    [
      '5:20: unknown-field: Cannot use field "podSelecter" in an item of to: it is unknown; did you mean "podSelector"?',
    ],
  ],
  [
    'a block without cidr',
    '{ipBlock: {except: [192.0.2.0/28]}}',
    ['5:29: missing-field: Add "cidr" to ipBlock: it is missing; write cidr: 192.0.2.0/24'],
  ],
  [
    'a block with another field',
    '{ipBlock: {cidr: 192.0.2.0/24, excepts: []}}',
    ['5:50: unknown-field: Cannot use field "excepts" in ipBlock: it is unknown; did you mean "except"?'],
  ],
  [
    'no CIDR',
    '{ipBlock: {cidr: example.org}}',
    [expect.stringMatching(/^5:36: bad-cidr: .*"example\.org".*[:;] write ADDRESS\/LENGTH/)],
  ],
  [
    'an address alone',
    '{ipBlock: {cidr: 192.0.2.1}}',
    ['5:36: bad-cidr: Cannot use "192.0.2.1" as a CIDR: write "192.0.2.1/32" for it alone'],
  ],
  [
    'IPv4 inside IPv6',
    '{ipBlock: {cidr: "::ffff:192.0.2.0/120"}}',
    ['5:36: bad-cidr: Cannot use "::ffff:192.0.2.0/120" as a CIDR: such packets leave as IPv4; write the IPv4 range'],
  ],
  [
    'an exception outside',
    '{ipBlock: {cidr: 192.0.2.0/24, except: [198.51.100.0/28]}}',
    [
      '5:59: bad-cidr: Cannot except "198.51.100.0/28": must be a strict subset of cidr, which is "192.0.2.0/24"; write one inside, or remove it',
    ],
  ],
  [
    'an exception that is everything',
    '{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/24]}}',
    [
      '5:59: bad-cidr: Cannot except "192.0.2.0/24": must be a strict subset of cidr, which is "192.0.2.0/24"; write one inside, or remove it',
    ],
  ],
  [
    'an exception of the other family',
    '{ipBlock: {cidr: 192.0.2.0/24, except: ["2001:db8::/64"]}}',
    [
      '5:59: bad-cidr: Cannot except "2001:db8::/64": must be a strict subset of cidr, which is "192.0.2.0/24"; write one inside, or remove it',
    ],
  ],
  [
    'exceptions without a value',
    '{ipBlock: {cidr: 192.0.2.0/24, except: null}}',
    ['5:58: wrong-type: Cannot use no value for except: it must be a list; list its items'],
  ],
])('refuses %s', (_why, peer, expected) => {
  expect(problemsOf(to(peer))).toEqual(expected);
});
