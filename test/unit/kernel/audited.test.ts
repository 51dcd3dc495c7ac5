import { expect, test } from 'vitest';
import { auditedText } from '../../../src/kernel/audited.ts';

test('what was there goes, and what is wanted comes, in one text', () => {
  const text = auditedText([
    { address: '10.0.1.7', leftMs: Infinity },
    { address: '2001:db8::7', leftMs: 1_500 },
    { address: '10.0.1.8', leftMs: 1_800_000 },
  ]);
  expect(text).toBe(`flush set inet namewall audited4
add element inet namewall audited4 { 10.0.1.7, 10.0.1.8 timeout 1800s0ms }
flush set inet namewall audited6
add element inet namewall audited6 { 2001:db8::7 timeout 1s500ms }
`);
});

test('nobody is in audit mode: the sets are emptied', () => {
  expect(auditedText([])).toBe('flush set inet namewall audited4\nflush set inet namewall audited6\n');
});

test.each([
  ['a timeout of 0 would never end (V1)', 0, '0s1ms'],
  ['a part of a millisecond', 0.2, '0s1ms'],
  ['thirty days, in few enough digits for nft', 2_592_000_000, '2592000s0ms'],
])('%s', (_why, leftMs, timeout) => {
  expect(auditedText([{ address: '10.0.1.7', leftMs }])).toContain(`{ 10.0.1.7 timeout ${timeout} }`);
});

test('a node full of pods is written in lines of a bearable length', () => {
  const addresses = Array.from({ length: 250 }, (_, i) => ({ address: `10.0.1.${i}`, leftMs: Infinity }));
  const lines = auditedText(addresses)
    .split('\n')
    .filter((line) => line.startsWith('add'));
  expect(lines.map((line) => line.split(',').length)).toEqual([200, 50]);
});

test('what is no address is never written', () => {
  expect(() => auditedText([{ address: '10.0.1.7 } ; delete table', leftMs: 1 }])).toThrow('Cannot read');
});
