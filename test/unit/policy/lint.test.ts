import { expect, test } from 'vitest';
import { notes } from '../../../src/policy/lint.ts';
import { cilium, networkPolicy, PORTS, read } from './lint/linted.ts';

const codesOf = (text: string): string[] => notes(read(text)).map(({ code }) => code);

test('names of toFQDNs need no rule for DNS: said where there is none', () => {
  const names = `{toFQDNs: [{matchName: a.example.org}], ${PORTS}}`;
  const dns = '{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchName: a.example.org}]}}]}';
  expect(codesOf(cilium(`egress: [${names}]`))).toEqual(['implied-dns']);
  expect(codesOf(cilium(`egress: [${names}, ${dns}]`))).toEqual([]);
  expect(codesOf(cilium('egress: [{}]'))).toEqual([]);
});

test('that a CNI may enforce NetworkPolicy, too, is said once', () => {
  const two = `${networkPolicy('{}')}---\n${networkPolicy('{}').replace('name: p', 'name: q')}`;
  expect(codesOf(two).filter((code) => code === 'cni-enforces')).toHaveLength(1);
});

test('what a dialect notes is said', () => {
  const text = networkPolicy('{}').replace('[Egress]', '[Egress, Ingress]');
  expect(codesOf(text)).toContain('left-to-cni');
});
