import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { AUDIT_ADDRESSES, AUDIT_FLAG, AUDIT_KIND, REASON } from '../../../src/bridge/audit-record.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { audit, AuditDetail } from '../../../src/datapath/audit.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { NAME_BYTES, QuerySlots } from '../../../src/datapath/state/query-slots.ts';
import { decode, type AuditNames } from '../../../src/audit/decode.ts';
import type { AuditEvent } from '../../../src/audit/event.ts';
import { parseNameText } from '../../../src/dns/name.ts';

const NOBODY: AuditNames = { pod: () => undefined, rule: () => undefined, portClass: () => undefined };

/** What the stage asks of the plane, with a query for `name` in slot 1. */
function setUp(name: string, ring = new AuditRing(new SharedArrayBuffer(64 + 8_192))) {
  const slots = new QuerySlots(4);
  const wire = parseNameText(name) ?? expect.fail(name);
  slots.folded.set(wire, NAME_BYTES);
  slots.qnameLength[1] = wire.length;
  slots.qtype[1] = 28;
  slots.podId[1] = 7;
  slots.clientAddress.set(parseAddress('192.0.2.7') ?? [], 16);
  const counters = new Counters();
  const count = (word: number): void => void (counters.words[word]! += 1);
  const plane = { slots, audit: ring, generation: 3, wallMs: 1_000, count } as unknown as Plane; // no more is asked for
  const events = (): AuditEvent[] => {
    const found: AuditEvent[] = [];
    ring.drain((offset) => found.push(decode(ring.view, ring.bytes, offset, NOBODY)), 100);
    return found;
  };
  return { plane, counters, events, detail: new AuditDetail() };
}

const addressesOf = (count: number): Uint8Array =>
  Uint8Array.from({ length: 16 * count }, (_, i) => [0x20, 1, 0xd, 0xb8][i % 16] ?? (i % 16 === 15 ? i >> 4 : 0));

test('what the data plane writes is what the main thread reads', () => {
  const { plane, events, detail } = setUp('api.example.org');
  detail.reset(AUDIT_KIND.Denied, 3);
  detail.reason = REASON['no-rule'];
  detail.flags = AUDIT_FLAG.Merged;
  detail.ttlSeconds = 12;
  detail.latencyMs = 0.1425;
  detail.addresses = addressesOf(2);
  audit(plane, 1, detail);
  expect(events()).toEqual([
    {
      time: '1970-01-01T00:00:01.000Z',
      event: 'dns.denied',
      pod: null,
      client: '192.0.2.7',
      qname: 'api.example.org',
      qtype: 'AAAA',
      rcode: 'NXDOMAIN',
      reason: 'no-rule',
      addresses: ['2001:db8::', '2001:db8::1'],
      ttlSeconds: 12,
      cached: false,
      merged: true,
      withheld: false,
      policy: null,
      latencyMicros: 143,
    },
  ]);
});

test('numbers of pod, rule, class and generation arrive as they were given', () => {
  const { plane, detail } = setUp('api.example.org');
  const asked: unknown[] = [];
  const names: AuditNames = {
    pod: (id) => void asked.push(['pod', id]),
    rule: (generation, index) => void asked.push(['rule', generation, index]),
    portClass: (generation, index) => void asked.push(['class', generation, index]),
  };
  detail.reset(AUDIT_KIND.Grant, 0);
  detail.rule = 70_000;
  detail.classIndex = 300;
  audit(plane, 1, detail);
  plane.audit.drain((offset) => decode(plane.audit.view, plane.audit.bytes, offset, names), 1);
  expect(asked).toEqual([
    ['pod', 7],
    ['rule', 3, 70_000],
    ['class', 3, 300],
  ]);
});

test('the root and the longest name', () => {
  for (const name of ['.', `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`]) {
    const { plane, events, detail } = setUp(name);
    audit(plane, 1, detail);
    expect(events()).toMatchObject([{ qname: name, addresses: [] }]);
  }
});

test('more addresses than a record carries: the first ones are shown, and the next record is whole', () => {
  const { plane, events, detail } = setUp('api.example.org');
  detail.addresses = addressesOf(AUDIT_ADDRESSES + 5);
  audit(plane, 1, detail);
  detail.reset(AUDIT_KIND.Allowed, 0);
  audit(plane, 1, detail);
  expect(events().map(({ event, ...rest }) => [event, 'addresses' in rest && rest.addresses.length])).toEqual([
    ['dns.allowed', AUDIT_ADDRESSES],
    ['dns.allowed', 0],
  ]);
});

test('no room: counted, never waited for', () => {
  const { plane, counters, events, detail } = setUp('api.example.org', new AuditRing(new SharedArrayBuffer(64 + 128)));
  audit(plane, 1, detail);
  audit(plane, 1, detail);
  expect(counters.words[COUNT.audit_lost]).toBe(1);
  expect(events()).toHaveLength(1);
});

test('one detail is reused, and nothing of the last one stays', () => {
  const detail = new AuditDetail();
  Object.assign(detail, {
    flags: 7,
    reason: 3,
    ttlSeconds: 9,
    classIndex: 2,
    rule: 4,
    latencyMs: 1,
    addresses: addressesOf(1),
  });
  const fresh = new AuditDetail();
  fresh.kind = AUDIT_KIND.Failed;
  fresh.rcode = 2;
  expect(detail.reset(AUDIT_KIND.Failed, 2)).toEqual(fresh);
});
