import { describe, expect, test } from 'vitest';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';
import type { Policy } from '../../../../../src/policy/policy.ts';

const group = (name: string, cidrs: string, labels = '{}', version = 'v2') =>
  `apiVersion: cilium.io/${version}\nkind: CiliumCIDRGroup\nmetadata: {name: ${name}, labels: ${labels}}\nspec: {externalCIDRs: ${cidrs}}\n`;
const policy = (item: string, list = 'egress') =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspec: {endpointSelector: {}, ${list}: [{toCIDRSet: [${item}]}]}\n`;
const PARTNERS = group('partners', '[192.0.2.0/24, "2001:db8::/32"]', '{role: partner, tier: a}');
const MIRRORS = group('mirrors', '[198.51.100.0/24]', '{role: partner, tier: b}');

function read(...documents: string[]): readonly Policy[] | string[] {
  const found = readPolicies(documents.join('---\n'), 'p.yaml');
  return found.ok ? found.value : found.problems.map(({ at, code, message }) => `${at}: ${code}: ${message}`);
}

const cidr = (text: string) => ({ kind: 'cidr', cidr: text, except: [], isOutside: true });
const reaching = (...cidrs: string[]) => [{ rules: [{ egress: [{ to: cidrs.map(cidr) }] }] }];

describe('a group of CIDRs', () => {
  test.each<[why: string, item: string, cidrs: string[]]>([
    ['by its name', '{cidrGroupRef: partners}', ['192.0.2.0/24', '2001:db8::/32']],
    ['by a label', '{cidrGroupSelector: {matchLabels: {tier: b}}}', ['198.51.100.0/24']],
    ['by one with its source', '{cidrGroupSelector: {matchLabels: {"cidrgroup:tier": b}}}', ['198.51.100.0/24']],
    [
      'several by a label',
      '{cidrGroupSelector: {matchLabels: {role: partner}}}',
      ['192.0.2.0/24', '2001:db8::/32', '198.51.100.0/24'],
    ],
    [
      'by an expression',
      '{cidrGroupSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [a]}]}}',
      ['198.51.100.0/24'],
    ],
    ['beside a range', '{cidrGroupRef: mirrors}, {cidr: 203.0.113.0/24}', ['198.51.100.0/24', '203.0.113.0/24']],
  ])('%s', (_why, item, cidrs) => {
    expect(read(PARTNERS, MIRRORS, policy(item))).toMatchObject(reaching(...cidrs));
  });

  test('may stand after who names it, and in the older version', () => {
    expect(read(policy('{cidrGroupRef: a}'), group('a', '[192.0.2.0/24]', '{}', 'v2alpha1'))).toMatchObject(
      reaching('192.0.2.0/24'),
    );
  });

  test('is denied as well', () => {
    expect(read(PARTNERS, policy('{cidrGroupRef: partners}', 'egressDeny'))).toMatchObject([
      { rules: [{ egress: [{ verdict: 'deny', to: [cidr('192.0.2.0/24'), cidr('2001:db8::/32')] }] }] },
    ]);
  });

  test('alone is no policy', () => expect(read(PARTNERS)).toEqual([]));

  test.each<[why: string, documents: string[], problem: string]>([
    [
      'a name that no file has',
      [MIRRORS, policy('{cidrGroupRef: partners}')],
      'p.yaml:9:67: unknown-group: Cannot find CiliumCIDRGroup "partners": no file has it; add the document, or list the ranges',
    ],
    [
      'labels that none has',
      [policy('{cidrGroupSelector: {matchLabels: {tier: c}}}')],
      'unknown-group: Cannot find a CiliumCIDRGroup with these labels: no file has it',
    ],
    ['no labels', [PARTNERS, policy('{cidrGroupSelector: {}}')], 'bad-selector: Cannot use an empty cidrGroupSelector'],
    ['a number', [policy('{cidrGroupRef: 7}')], 'wrong-type: Cannot use number 7 for cidrGroupRef'],
    [
      'exceptions',
      [PARTNERS, policy('{cidrGroupRef: partners, except: [192.0.2.0/28]}')],
      'not-supported: Remove "except": it has no effect in Cilium beside a group; deny these ranges in egressDeny',
    ],
    [
      'the same group twice',
      [PARTNERS, PARTNERS],
      'p.yaml:6:1: duplicate-group: Rename or remove CiliumCIDRGroup "partners": it stands already at p.yaml:1:1',
    ],
    ['a group without ranges', [group('a', '[]')], 'empty-list: Cannot use an empty list for externalCIDRs'],
    [
      'a group without spec',
      ['apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: a}\n'],
      'Add "spec" to the group',
    ],
    ['a group with an address', [group('a', '[192.0.2.1]')], 'bad-cidr: Cannot use "192.0.2.1" as a CIDR'],
    [
      'a group of a namespace',
      [PARTNERS.replace('{name', '{namespace: shop, name')],
      'Remove "namespace": a CiliumCIDRGroup belongs to none',
    ],
    ['another version', [PARTNERS.replace('v2', 'v1')], 'Cannot read a CiliumCIDRGroup of apiVersion "cilium.io/v1"'],
    ['a misspelt field', [PARTNERS.replace('externalCIDRs', 'externalCIDR')], 'did you mean "externalCIDRs"?'],
  ])('%s is refused', (_why, documents, problem) => {
    expect(read(...documents)).toContainEqual(expect.stringContaining(problem));
  });
});
