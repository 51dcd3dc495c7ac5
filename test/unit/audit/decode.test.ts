import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  AUDIT_ADDRESSES,
  AUDIT_FLAG,
  AUDIT_KIND,
  AUDIT_REASON,
  CAP,
  CAPS,
  NO_RCODE,
  REASON,
} from '../../../src/bridge/audit-record.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { decode, type AuditNames } from '../../../src/audit/decode.ts';
import type { AuditEvent } from '../../../src/audit/event.ts';
import { putRecord, wireOf, type Written } from './record.ts';

const EGRESS = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'egress' };
const RULES = [
  { ...EGRESS, at: 'policies/shop.yaml:12:9' },
  { ...EGRESS, at: 'policies/shop.yaml:20:9', description: 'Payments', labels: ['k8s:team=shop'] },
];
const NAMES: AuditNames = {
  pod: (id) =>
    id === 7
      ? { uid: 'u-7', namespace: 'shop', name: 'cart', labels: { app: 'cart' }, addresses: ['192.0.2.7'] }
      : undefined,
  rule: (generation, index) => (generation === 1 ? RULES[index] : undefined),
  portClass: (generation, index) =>
    generation === 1 && index === 2 ? { id: 'tcp443', ports: [{ protocol: 'tcp', first: 443, last: 443 }] } : undefined,
};

function decoded(changes: Partial<Written> = {}): AuditEvent {
  const ring = new AuditRing(new SharedArrayBuffer(64 + 8_192));
  putRecord(ring, changes);
  const events: AuditEvent[] = [];
  ring.drain((offset) => events.push(decode(ring.view, ring.bytes, offset, NAMES)), 1);
  return events[0] ?? expect.fail('no record');
}

const lineOf = (changes: Partial<Written>): string => JSON.stringify(decoded(changes));

test('an allowed query, whole', () => {
  expect(decoded()).toEqual({
    time: '2026-11-22T04:05:06.789Z',
    event: 'dns.allowed',
    pod: { namespace: 'shop', name: 'cart', uid: 'u-7' },
    client: '192.0.2.7',
    qname: 'api.example.org',
    qtype: 'A',
    rcode: 'NOERROR',
    addresses: ['192.0.2.80'],
    ttlSeconds: 30,
    cached: false,
    merged: false,
    withheld: false,
    policy: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'egress', rule: 'policies/shop.yaml:12:9' },
    latencyMicros: 142,
  });
});

test('a query whose rule has a description and labels', () => {
  expect(decoded({ rule: 1 })).toMatchObject({
    policy: { rule: 'policies/shop.yaml:20:9', description: 'Payments', labels: ['k8s:team=shop'] },
  });
});

test('what an operator asked is marked, its grants included; nothing else is', () => {
  expect(decoded({ flags: AUDIT_FLAG.Dig })).toMatchObject({ event: 'dns.allowed', dig: true, cached: false });
  expect(decoded({ kind: AUDIT_KIND.Grant, flags: AUDIT_FLAG.Dig | AUDIT_FLAG.Private })).toMatchObject({
    event: 'grant',
    dig: true,
    private: true,
  });
  expect(lineOf({ flags: AUDIT_FLAG.Cached })).not.toContain('dig');
});

test('a grant, whole', () => {
  expect(decoded({ kind: AUDIT_KIND.Grant, classIndex: 2, ttlSeconds: 90, latencyMicros: 22 })).toEqual({
    time: '2026-11-22T04:05:06.789Z',
    event: 'grant',
    pod: { namespace: 'shop', name: 'cart', uid: 'u-7' },
    client: '192.0.2.7',
    qname: 'api.example.org',
    qtype: 'A',
    addresses: ['192.0.2.80'],
    ports: 'tcp443',
    lifetimeSeconds: 90,
    policy: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'egress', rule: 'policies/shop.yaml:12:9' },
    commitMicros: 22,
  });
});

test.each(CAPS.map((cap) => [cap]))('the limit %s that was reached, whole', (cap) => {
  expect(decoded({ kind: AUDIT_KIND.Cap, reason: CAP[cap], ttlSeconds: 4_000_000_000 })).toEqual({
    time: '2026-11-22T04:05:06.789Z',
    event: 'cap.reached',
    pod: { namespace: 'shop', name: 'cart', uid: 'u-7' },
    cap,
    count: 4_000_000_000,
  });
});

test('a limit of the clients that are no pods', () => {
  expect(decoded({ kind: AUDIT_KIND.Cap, podId: 0 })).toMatchObject({ event: 'cap.reached', pod: null });
});

test.each(['198.51.100.53', '2001:db8::53'])('answers that %s is made to seem to have sent, whole', (server) => {
  expect(decoded({ kind: AUDIT_KIND.Spoof, client: server, qtype: 5_353, ttlSeconds: 77 })).toEqual({
    time: '2026-11-22T04:05:06.789Z',
    event: 'spoof',
    server,
    port: 5_353,
    count: 77,
  });
});

test.each([
  ['allowed', AUDIT_KIND.Allowed, 'dns.allowed'],
  ['denied', AUDIT_KIND.Denied, 'dns.denied'],
  ['failed', AUDIT_KIND.Failed, 'dns.failed'],
  ['grant', AUDIT_KIND.Grant, 'grant'],
])('kind %s', (_why, kind, event) => {
  expect(decoded({ kind }).event).toBe(event);
});

test('every kind that a record may have is said as itself', () => {
  const events = Object.values(AUDIT_KIND).map((kind) => decoded({ kind }).event);
  expect(new Set(events).size).toBe(events.length);
});

test.each(AUDIT_REASON.filter((reason) => reason !== 'none').map((reason) => [reason]))('reason %s', (reason) => {
  expect(decoded({ kind: AUDIT_KIND.Denied, reason: REASON[reason] })).toMatchObject({ reason });
});

test.each([
  ['no flag', 0, {}],
  ['cached', AUDIT_FLAG.Cached, { cached: true }],
  ['merged', AUDIT_FLAG.Merged, { merged: true }],
  ['withheld', AUDIT_FLAG.Withheld, { withheld: true }],
  ['cached and withheld', AUDIT_FLAG.Cached | AUDIT_FLAG.Withheld, { cached: true, withheld: true }],
])('flags: %s', (_why, flags, want) => {
  expect(decoded({ flags })).toMatchObject({ cached: false, merged: false, withheld: false, ...want });
});

test('only an answer that lost addresses because there were too many says so', () => {
  expect(decoded()).not.toHaveProperty('capped');
  expect(decoded({ flags: AUDIT_FLAG.Capped })).toMatchObject({ event: 'dns.allowed', withheld: false, capped: true });
});

test('only what policy alone would have refused says so', () => {
  expect(decoded()).not.toHaveProperty('wouldDeny');
  expect(decoded({ flags: AUDIT_FLAG.WouldDeny })).toMatchObject({ event: 'dns.allowed', wouldDeny: true });
});

test.each([
  ['an answer', AUDIT_KIND.Allowed],
  ['a grant', AUDIT_KIND.Grant],
])('only what holds a private address says so: %s', (_why, kind) => {
  expect(decoded({ kind })).not.toHaveProperty('private');
  expect(decoded({ kind, flags: AUDIT_FLAG.Private })).toHaveProperty('private', true);
});

test.each<[string, Partial<Written>, object]>([
  ['a pod that nobody knows', { podId: 8 }, { pod: null, client: '192.0.2.7' }],
  ['a client that is no pod', { podId: 0, client: '2001:db8::9' }, { pod: null, client: '2001:db8::9' }],
  ['no rule', { rule: -1 }, { policy: null }],
  ['a rule of a generation that is forgotten', { generation: 2 }, { policy: null }],
  ['a class that is forgotten', { kind: AUDIT_KIND.Grant, classIndex: 5 }, { ports: '' }],
  ['a type without a name', { qtype: 65_280 }, { qtype: 'TYPE65280' }],
  ['a code without a name', { rcode: 3_841 }, { rcode: 'RCODE3841' }],
  [
    'no reply was sent: there is no code, and none is made up',
    { kind: AUDIT_KIND.Denied, rcode: NO_RCODE },
    { event: 'dns.denied', rcode: null },
  ],
  ['no address', { addresses: [] }, { addresses: [] }],
  [
    'addresses of both families',
    { addresses: ['192.0.2.1', '2001:db8::1'] },
    { addresses: ['192.0.2.1', '2001:db8::1'] },
  ],
  ['the root', { name: wireOf([]) }, { qname: '.' }],
  [
    'the largest numbers',
    { ttlSeconds: 0xffff_ffff, latencyMicros: 0xffff_ffff },
    { ttlSeconds: 0xffff_ffff, latencyMicros: 0xffff_ffff },
  ],
])('%s', (_why, changes, want) => {
  expect(decoded(changes)).toMatchObject(want);
});

test('more addresses than one record carries: it says how many are left out', () => {
  const all = Array.from({ length: AUDIT_ADDRESSES }, (_, i) => `192.0.2.${i}`);
  expect(decoded({ addresses: all })).not.toHaveProperty('addressesOmitted');
  const more = decoded({ addresses: all, addressCount: AUDIT_ADDRESSES + 5 });
  expect(more).toMatchObject({ addresses: all, addressesOmitted: 5 });
});

test('nothing of the record before it shows', () => {
  const ring = new AuditRing(new SharedArrayBuffer(64 + 8_192));
  const events: AuditEvent[] = [];
  putRecord(ring, { name: wireOf(['long'.repeat(15), 'example', 'org']), addresses: ['192.0.2.1', '192.0.2.2'] });
  putRecord(ring, { name: wireOf([]), addresses: [] });
  ring.drain((offset) => events.push(decode(ring.view, ring.bytes, offset, NAMES)), 2);
  expect(events[1]).toMatchObject({ qname: '.', addresses: [] });
});

const isPlainLine = (line: string): boolean => /^[\x20-\x7e]+$/.test(line);

test.each(Array.from({ length: 256 }, (_, byte) => [byte]))(
  'byte %i in a label gives one line of printable ASCII',
  (byte) => {
    const line = lineOf({ name: wireOf([[0x61, byte, 0x62], 'example']) });
    expect(isPlainLine(line)).toBe(true);
    expect(JSON.parse(line)).toEqual(decoded({ name: wireOf([[0x61, byte, 0x62], 'example']) }));
  },
);

test('different names give different lines', () => {
  const lines = Array.from({ length: 256 }, (_, byte) => lineOf({ name: wireOf([[0x61, byte, 0x62]]) }));
  lines.push(lineOf({ name: wireOf(['a', 'b']) })); // 'a.b' as two labels, not one
  expect(new Set(lines).size).toBe(257);
});

test('whatever a name holds, the line is one line of printable ASCII JSON that gives the name back', () => {
  const label = fc.array(fc.nat(255), { minLength: 1, maxLength: 63 });
  fc.assert(
    fc.property(fc.array(label, { maxLength: 3 }), (labels) => {
      const line = lineOf({ name: wireOf(labels) });
      expect(isPlainLine(line)).toBe(true);
      const { qname } = JSON.parse(line) as { qname: string };
      expect(bytesOf(qname)).toEqual(labels);
    }),
    { numRuns: 300 },
  );
});

/** The labels of a presentation form, by the rules of RFC 1035 §5.1 only. */
function bytesOf(qname: string): number[][] {
  if (qname === '.') return [];
  const labels: number[][] = [[]];
  for (const [token] of qname.matchAll(/\\\d{3}|[\s\S]/g)) {
    if (token === '.') labels.push([]);
    else labels.at(-1)?.push(token.startsWith('\\') ? Number(token.slice(1)) : token.charCodeAt(0));
  }
  return labels;
}
