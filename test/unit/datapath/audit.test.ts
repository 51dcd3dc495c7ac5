import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { AUDIT_ADDRESSES, AUDIT_FLAG, AUDIT_KIND, REASON } from '../../../src/bridge/audit-record.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { audit, AuditDetail, auditFolded, AuditSubject } from '../../../src/datapath/audit.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { AuditBudget, RECORDS_PER_SECOND } from '../../../src/datapath/state/audit-budget.ts';
import { NO_POD, POD_INDEXES } from '../../../src/datapath/state/pod-table.ts';
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
  const auditBudget = new AuditBudget(POD_INDEXES + 1);
  const plane = {
    slots,
    audit: ring,
    generation: 3,
    wallMs: 1_000,
    count,
    counters: counters.words,
    auditBudget,
    pods: { ids: Uint32Array.of(7, 8) },
    subject: new AuditSubject(),
    detail: new AuditDetail(),
    foldedCounts: new Uint8Array(16),
  } as unknown as Plane; // no more is asked for
  const fold = (): void => auditBudget.end((pod, counts) => auditFolded(plane, pod, counts));
  const events = (names: AuditNames = NOBODY): AuditEvent[] => {
    const found: AuditEvent[] = [];
    ring.drain((offset) => found.push(decode(ring.view, ring.bytes, offset, names)), 10_000);
    return found;
  };
  return { plane, counters, events, fold, detail: new AuditDetail() };
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
  detail.addressCount = 2;
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

test('addresses are those at their place in the memory of others', () => {
  const { plane, events, detail } = setUp('api.example.org');
  detail.addresses = addressesOf(5);
  detail.addressesAt = 16;
  detail.addressCount = 2;
  audit(plane, 1, detail);
  expect(events()).toMatchObject([{ addresses: ['2001:db8::1', '2001:db8::2'] }]);
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
  detail.addressCount = AUDIT_ADDRESSES + 5;
  audit(plane, 1, detail);
  detail.reset(AUDIT_KIND.Allowed, 0);
  audit(plane, 1, detail);
  const shown = events().map(({ event, ...rest }) => {
    return [event, 'addresses' in rest && rest.addresses.length, 'addressesOmitted' in rest && rest.addressesOmitted];
  });
  expect(shown).toEqual([
    ['dns.allowed', AUDIT_ADDRESSES, 5],
    ['dns.allowed', 0, false],
  ]);
});

test('no room: counted, never waited for', () => {
  const { plane, counters, events, detail } = setUp('api.example.org', new AuditRing(new SharedArrayBuffer(64 + 128)));
  audit(plane, 1, detail);
  audit(plane, 1, detail);
  expect(counters.words[COUNT.audit_lost]).toBe(1);
  expect(events()).toHaveLength(1);
});

describe('a pod with more events than records', () => {
  const NAMES: AuditNames = {
    ...NOBODY,
    pod: (id) => ({ uid: `u-${id}`, namespace: 'shop', name: `p${id}`, labels: {}, addresses: [] }),
  };
  const big = (): AuditRing => new AuditRing(new SharedArrayBuffer(64 + (1 << 20)));
  const deny = ({ plane, detail }: ReturnType<typeof setUp>, times: number): void => {
    for (let i = 0; i < times; i++) audit(plane, 1, detail.reset(AUDIT_KIND.Denied, 3));
  };

  test('the rest is one record with their numbers', () => {
    const part = setUp('api.example.org', big());
    part.plane.slots.pod[1] = 0;
    deny(part, RECORDS_PER_SECOND + 41);
    audit(part.plane, 1, part.detail.reset(AUDIT_KIND.Grant, 0));
    part.fold();
    const all = part.events(NAMES);
    expect(all).toHaveLength(RECORDS_PER_SECOND + 2);
    expect(all.at(-1)).toEqual({
      time: '1970-01-01T00:00:01.000Z',
      event: 'audit.folded',
      pod: { namespace: 'shop', name: 'p7', uid: 'u-7' },
      allowed: 0,
      denied: 41,
      failed: 0,
      grants: 0,
    });
  });

  test('clients that are no pods share one budget, and it is nobody’s', () => {
    const part = setUp('api.example.org', big());
    part.plane.slots.pod[1] = NO_POD;
    deny(part, RECORDS_PER_SECOND + 3);
    part.plane.slots.pod[1] = 0;
    deny(part, 1);
    part.fold();
    const folded = part.events({ ...NAMES, pod: (id) => (id === 0 ? undefined : NAMES.pod(id)) }).slice(-1);
    expect(folded).toMatchObject([{ event: 'audit.folded', pod: null, denied: 3 }]);
  });

  test('a record of numbers that finds no room is as many lost as it stood for (I11)', () => {
    const part = setUp('api.example.org'); // holds some eighty records
    part.plane.slots.pod[1] = 0;
    deny(part, RECORDS_PER_SECOND + 41);
    const written = RECORDS_PER_SECOND - part.counters.words[COUNT.audit_lost]!;
    part.fold();
    expect(part.counters.words[COUNT.audit_lost]).toBe(RECORDS_PER_SECOND - written + 41);
  });
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
  // Where addresses would stand is nobody's while there are none.
  const { addresses, addressesAt } = detail;
  expect(detail.reset(AUDIT_KIND.Failed, 2)).toEqual(Object.assign(fresh, { addresses, addressesAt }));
});
