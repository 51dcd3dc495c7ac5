import { expect, test } from 'vitest';
import {
  AUDIT_FIELD,
  AUDIT_FLAG,
  AUDIT_HEAD_BYTES,
  AUDIT_KIND,
  AUDIT_REASON,
  REASON,
} from '../../../src/bridge/audit-record.ts';

const WIDTH: Readonly<Record<keyof typeof AUDIT_FIELD, number>> = {
  kind: 1,
  flags: 1,
  reason: 1,
  nameBytes: 1,
  qtype: 2,
  rcode: 2,
  podId: 4,
  rule: 4,
  generation: 4,
  ttlSeconds: 4,
  wallMs: 8,
  latencyMicros: 4,
  addressCount: 2,
  classIndex: 2,
  client: 16,
};

test('the fields of the head lie side by side: none overlaps, none is left over', () => {
  const ordered = Object.entries(AUDIT_FIELD).toSorted(([, a], [, b]) => a - b);
  let end = 0;
  for (const [name, offset] of ordered) {
    expect(`${name} at ${offset}`).toBe(`${name} at ${end}`);
    end = offset + WIDTH[name as keyof typeof AUDIT_FIELD]; // entries of AUDIT_FIELD
  }
  expect(end).toBe(AUDIT_HEAD_BYTES);
});

test('every reason has a number of its own that fits its byte, and "none" is 0', () => {
  expect(AUDIT_REASON.map((reason) => REASON[reason])).toEqual([...AUDIT_REASON.keys()]);
  expect(REASON.none).toBe(0);
  expect(AUDIT_REASON.length).toBeLessThanOrEqual(256);
});

test('kinds differ, and flags are single bits of one byte', () => {
  expect(new Set(Object.values(AUDIT_KIND)).size).toBe(Object.keys(AUDIT_KIND).length);
  const flags = Object.values(AUDIT_FLAG);
  expect(flags.reduce<number>((all, flag) => all | flag, 0)).toBe(flags.reduce<number>((sum, flag) => sum + flag, 0));
  expect(Math.max(...flags)).toBeLessThan(256);
});
