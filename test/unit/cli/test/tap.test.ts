import { expect, test } from 'vitest';
import { tapHeader, tapLine } from '../../../../src/cli/test/tap.ts';

test('the version and the plan come first', () => {
  expect(tapHeader(3)).toBe('TAP version 14\n1..3\n');
});

test('without tests the plan says so', () => {
  expect(tapHeader(0)).toBe('TAP version 14\n1..0 # no tests\n');
});

test('a name can begin no directive', () => {
  expect(tapLine(1, 'a # SKIP \\# b', { kind: 'passed' })).toBe('ok 1 - a \\# SKIP \\\\\\# b\n');
});

test('a skipped test says why', () => {
  expect(tapLine(3, 'ping', { kind: 'skipped', why: 'ICMP is not probed' })).toBe(
    'ok 3 - ping # SKIP ICMP is not probed\n',
  );
});

test('a failed test has a block of YAML in which no text can end the block', () => {
  const outcome = { kind: 'failed', reason: 'a "b"\n  ...\nok 2', expected: 'allowed', actual: 'blocked' } as const;
  expect(tapLine(2, 'x', outcome)).toBe(
    'not ok 2 - x\n  ---\n  reason: "a \\"b\\"\\n  ...\\nok 2"\n  expected: "allowed"\n  actual: "blocked"\n  ...\n',
  );
});
