import { expect, test } from 'vitest';
import { NameSuffixes } from '../../../../src/datapath/state/name-suffixes.ts';
import { parseNameText } from '../../../../src/dns/name.ts';

const zones = new NameSuffixes(['Cluster.local', '10.in-addr.arpa']);

test.each([
  ['the zone itself', 'cluster.local', true],
  ['below it', 'kubernetes.default.svc.cluster.local', true],
  ['the second one', '1.0.96.10.in-addr.arpa', true],
  ['above it', 'local', false],
  ['ends alike, within a label', 'notcluster.local', false],
  ['another zone', 'example.org', false],
  ['the root', '.', false],
])('%s', (_why, text, want) => {
  const name = parseNameText(text) ?? expect.fail(text);
  const names = new Uint8Array(300).fill(7);
  names.set(name, 20);
  expect(zones.has(names, 20, name.length)).toBe(want);
});
