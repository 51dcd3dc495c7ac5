// wrong-policies.txt: policies that must be refused, with every message and its place, as users read them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';

const table = readFileSync(new URL('wrong-policies.txt', import.meta.url), 'utf8')
  .split(/^=== /m)
  .slice(1)
  .map((section) => {
    const whyEnd = section.indexOf('\n') + 1;
    const [text = '', expected = ''] = section.slice(whyEnd).split('--- refused with\n');
    return { why: section.slice(0, whyEnd - 1), text, expected };
  });

test('the table is all there', () => expect(table).toHaveLength(111));

test.each(table)('refuses $why', ({ text, expected }) => {
  const read = readPolicies(text, 'p.yaml');
  const found = read.ok ? [] : read.problems.map(({ at, code, message }) => `${at}: ${code}: ${message}\n`);
  expect(found.join('')).toBe(expected);
});

test('a List holds policies as documents do, each at its place', () => {
  const rest = 'spec: {endpointSelector: {}, egress: [{}]}';
  const one = `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: a}, ${rest}}`;
  const text = `kind: List\napiVersion: v1\nmetadata: {resourceVersion: ""}\nitems:\n  - ${one}\n  - ${one.replace('name: a', 'name: b')}\n`;
  const read = readPolicies(text, 'p.yaml');
  expect(read.ok && read.value.map(({ name, at }) => `${name} ${at}`)).toEqual(['a p.yaml:5:5', 'b p.yaml:6:5']);
});

test.each(table)('no message about $why ends in a full stop', ({ expected }) => {
  expect(expected).not.toMatch(/\.$/m);
});
