import { expect, test } from 'vitest';
import { NO_OBJECTS, ruleset, staleSetsText } from '../../../src/kernel/ruleset.ts';
import { GOLDEN_CASES, goldenText, writeGolden } from '../../golden/cases.ts';
import { programOf } from '../../support/program.ts';

const TWO_PODS = GOLDEN_CASES['two-pods'];
if (TWO_PODS === undefined) throw new Error('the case two-pods is gone');

test.each(Object.entries(GOLDEN_CASES))('the ruleset "%s" is the text that was reviewed', (name, input) => {
  const text = ruleset(input).text;
  if (process.env['UPDATE_GOLDEN'] === '1') writeGolden(name, text);
  expect(text).toBe(goldenText(name));
});

test.each(Object.entries(GOLDEN_CASES))('every set that a rule of "%s" asks is declared', (_name, input) => {
  const { text } = ruleset({ ...input, existing: NO_OBJECTS });
  const asked = [...text.matchAll(/@(\w+) /g)].map(([, set]) => set);
  const declared = [...text.matchAll(/^\t(?:set|map) (\w+) /gm)].map(([, set]) => set);
  expect(new Set(asked).difference(new Set(declared))).toEqual(new Set());
});

test('only sets of grants that no class names are removed in the second phase', () => {
  const existing = {
    sets: ['grants4_tcp443', 'grants4_tcp22', 'grants6_tcp22', 'bound4'],
    maps: [],
    chains: [],
    chainTexts: new Map(),
    elements: new Map(),
    hasBridgeGuard: false,
  };
  const removal = 'delete set inet namewall grants4_tcp22\ndelete set inet namewall grants6_tcp22\n';
  expect(staleSetsText(existing, TWO_PODS.classes)).toBe(removal);
  expect(
    staleSetsText(
      {
        sets: ['bound4'],
        maps: [],
        chains: [],
        chainTexts: new Map(),
        elements: new Map(),
        hasBridgeGuard: false,
      },
      TWO_PODS.classes,
    ),
  ).toBe('');
});

test.each([
  [
    'a quote in an interface name',
    { pods: [{ addresses: ['10.0.0.1'], owner: 'a1', interface: 'a" } ; flush ruleset' }] },
  ],
  ['a wildcard in an interface name', { pods: [{ addresses: ['10.0.0.1'], owner: 'a1', interface: 'veth*' }] }],
  ['text that is no address', { interceptedAddresses: ['10.0.0.1 } ; flush ruleset'] }],
  ['a server that is no address', { dnsServers: ['dns.example.org'] }],
  ['a class name that is no identifier', { classes: [{ id: 'tcp443 {', ports: 'all' as const }] }],
  ['a program whose class is missing', { programs: [programOf('0123456789ab', [{ classes: [9] }])] }],
])('%s is refused, never written', (_why, wrong) => {
  expect(() => ruleset({ ...TWO_PODS, ...wrong }).text).toThrow(expect.objectContaining({ code: 'bad-input' }));
});
