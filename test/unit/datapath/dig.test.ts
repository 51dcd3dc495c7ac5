// What an operator is told of a question in the name of a pod, on the simulated system: the way is that of every query, and what is told of it is
// what happened.
import { expect, test } from 'vitest';
import { decode } from '../../../src/audit/decode.ts';
import { formatAddress } from '../../../src/base/ip.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { Control } from '../../../src/bridge/control.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { MAX_DIGS } from '../../../src/bridge/dig.ts';
import type { Dug } from '../../../src/bridge/dig.ts';
import type { Snapshot } from '../../../src/bridge/snapshot.ts';
import { Loop } from '../../../src/datapath/loop.ts';
import type { DatapathSettings } from '../../../src/datapath/settings.ts';
import { RECORDS_PER_SECOND } from '../../../src/datapath/state/audit-budget.ts';
import { FLAG, TYPE } from '../../../src/dns/codes.ts';
import { readMessage } from '../../support/scenario-message.ts';
import { a, cname, message, opt, question, response } from '../dns/message.ts';
import type { Bytes, MessageText } from '../dns/message.ts';
import { bytesOf, endpoint, SERVER, SETTINGS, simulate, snapshot, TABLE, UPSTREAM } from './plane-with-pods.ts';

const POD = '10.0.1.7';
const OTHER_POD = '10.0.1.8';
const NAME = 'api.example.org';
const ADDRESS = [192, 0, 2, 1];
const METADATA = [169, 254, 169, 254];
const SECOND = endpoint('198.51.100.54');

type Told = Extract<Dug, { kind: 'asked' }>;

function setUp({ settings = SETTINGS, first = snapshot(1) }: { settings?: DatapathSettings; first?: Snapshot } = {}) {
  const { sys, committer, sent, granted } = simulate();
  const counters = new Counters();
  const ring = new AuditRing(new SharedArrayBuffer(64 + (1 << 20)));
  const parts = { control: new Control(), counters, ring, channel: committer.channel };
  const loop = new Loop(sys, settings, parts, {
    onWake: () => undefined,
    onOpen: () => undefined,
    onKernelTouched: () => undefined,
    onKernelDamage: () => undefined,
    onInternalError: (error) => expect.fail(String(error)),
  });
  loop.adopt(first);
  const run = (): void => {
    do {
      loop.turn();
      committer.work();
    } while (sys.hasReady());
  };
  const told: Dug[] = [];
  const dig = (name: string, { pod = POD, type = TYPE.A }: { pod?: string; type?: number } = {}): void => {
    const query = message({ id: 0, questions: [question(name, type)], additional: [opt()] });
    loop.dig({ client: bytesOf(pod), query }, (dug) => told.push(dug));
    run();
  };
  /** A query of the pod itself. */
  const ask = (name: string, pod = POD): void => {
    const query = message({ id: 7, questions: [question(name)] });
    sys.network.deliver(endpoint(pod, 40_000), SERVER, query);
    run();
  };
  /** Answers the question that was sent upstream last. */
  const upstream = (name: string, answers: readonly Bytes[], more: MessageText = {}): void => {
    const out = sent.at(-1) ?? expect.fail('nothing was asked');
    const id = Buffer.from(out.bytes).readUInt16BE(0);
    const bytes = response({ id, questions: [question(name)], answers, ...more });
    sys.network.deliver(out.to, { address: out.to.address, port: out.from.port }, bytes);
    run();
  };
  const wait = (milliseconds: number): void => {
    for (let left = milliseconds; left > 0; left -= 100) {
      sys.advance(Math.min(left, 100));
      run();
    }
  };
  /** What was told last. */
  const last = (): Told => {
    const dug = told.at(-1);
    return dug?.kind === 'asked' ? dug : expect.fail(`told: ${dug?.kind}`);
  };
  const events = ({ records }: Told) =>
    records.map((bytes) => decode(new DataView(bytes.buffer, bytes.byteOffset), bytes, 0, NOBODY));
  const replies = (): number => sent.filter(({ from }) => from.port === SERVER.port).length;
  const count = (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0;
  return {
    sys,
    loop,
    committer,
    ring,
    run,
    dig,
    ask,
    upstream,
    wait,
    told,
    last,
    events,
    granted,
    replies,
    count,
    sent,
  };
}

const NOBODY = { pod: () => undefined, rule: () => undefined, portClass: () => undefined };

const replyOf = ({ reply }: Told) => readMessage(reply ?? expect.fail('no reply'));
const grantsOf = ({ grants }: Told): string[] =>
  grants.map(({ address, classIndex, leftMs }) => `${formatAddress(address)} ${classIndex} ${leftMs}`);
const attemptsOf = ({ attempts }: Told): string[] =>
  attempts.map(({ address, port, transport, atMs, outcome, tookMs }) => {
    return `${formatAddress(address)} ${port} ${transport} at ${atMs}: ${outcome} after ${tookMs}`;
  });

test('an allowed name: whom it was asked of, what was said, what is granted, and no packet to the pod', () => {
  const { dig, upstream, wait, told, last, events, granted, replies, loop } = setUp();
  dig(NAME);
  wait(30);
  expect(told).toEqual([]);
  upstream(NAME, [cname(NAME, 'edge.example.net', 300), a('edge.example.net', ADDRESS, 30)]);
  const dug = last();
  expect(dug).toMatchObject({ rule: 0, classes: [0], generation: 1 });
  expect(attemptsOf(dug)).toEqual(['198.51.100.53 53 udp at 0: NOERROR after 30']);
  expect(replyOf(dug)).toMatchObject({ rcode: 'NOERROR', records: [{ ttl: 30 }, { ttl: 30, rdata: '192.0.2.1' }] });
  expect(readMessage(dug.said?.message ?? expect.fail()).records).toMatchObject([{ ttl: 300 }, { ttl: 30 }]);
  expect(dug.said).toMatchObject({ ageMs: 0, leftMs: 30_000 });
  expect(grantsOf(dug)).toEqual(['192.0.2.1 0 90000']);
  expect(events(dug)).toMatchObject([
    { event: 'grant', dig: true, client: POD, addresses: ['192.0.2.1'], lifetimeSeconds: 90 },
    { event: 'dns.allowed', dig: true, client: POD, qname: NAME, cached: false, latencyMicros: 30_000 },
  ]);
  expect(granted()).toEqual([`${POD} 192.0.2.1`]);
  expect([replies(), told.length, loop.plane.slots.inUse, loop.plane.digs.isAny]).toEqual([0, 1, 0, false]);
});

test('it is told only when the kernel has acknowledged the grant', () => {
  const { loop, sys, committer, upstream, told, dig } = setUp();
  dig(NAME);
  committer.hold();
  upstream(NAME, [a(NAME, ADDRESS)]);
  expect(told).toEqual([]);
  committer.release();
  do loop.turn();
  while (sys.hasReady());
  expect(told).toHaveLength(1);
});

test('a cached answer: its age, what is left of it, and the grant that an earlier lookup made', () => {
  const { dig, ask, upstream, wait, last, events } = setUp();
  ask(NAME);
  upstream(NAME, [a(NAME, ADDRESS, 100)]);
  wait(20_000);
  dig(NAME);
  const dug = last();
  expect(events(dug)).toMatchObject([{ event: 'dns.allowed', cached: true, dig: true }]);
  expect(dug.said).toMatchObject({ ageMs: 20_000, leftMs: 80_000 });
  expect(attemptsOf(dug)).toEqual([]);
  expect(grantsOf(dug)).toEqual(['192.0.2.1 0 140000']);
  expect(replyOf(dug).records).toMatchObject([{ ttl: 80 }]);
});

test('a denied name is answered as for the pod, and nobody is asked', () => {
  const { dig, last, events, sent, count } = setUp();
  dig('api.example.com');
  expect(last()).toMatchObject({ rule: -1, classes: [], attempts: [], grants: [], said: undefined });
  expect(replyOf(last())).toMatchObject({ rcode: 'NXDOMAIN', opt: { ede: [15] } });
  expect(events(last())).toMatchObject([{ event: 'dns.denied', reason: 'no-rule', dig: true }]);
  expect([sent, count('queries_denied')]).toEqual([[], 1]);
});

test('a denied name that is not answered at all ends, too', () => {
  const { dig, last, loop } = setUp({ settings: { ...SETTINGS, denial: 'drop' } });
  dig('api.example.com');
  expect([last().reply, loop.plane.slots.inUse]).toEqual([undefined, 0]);
});

test('a protected address is in what was said, and neither in the reply nor granted', () => {
  const { dig, upstream, last, events } = setUp();
  dig(NAME);
  upstream(NAME, [a(NAME, ADDRESS), a(NAME, METADATA)]);
  const said = readMessage(last().said?.message ?? expect.fail());
  expect(said.records.map(({ rdata }) => rdata)).toEqual(['192.0.2.1', '169.254.169.254']);
  expect(replyOf(last()).records.map(({ rdata }) => rdata)).toEqual(['192.0.2.1']);
  expect(grantsOf(last())).toHaveLength(1);
  expect(events(last()).at(-1)).toMatchObject({ withheld: true });
});

test('an address that is shown without a grant, in audit mode, is not told as granted', () => {
  const { pods, ...rest } = snapshot(1);
  const first = { ...rest, pods: pods.map((pod) => ({ ...pod, isAudited: true })) };
  const { sys, dig, upstream, last, events } = setUp({ first });
  sys.nftables.deleteTable(TABLE);
  dig(NAME);
  upstream(NAME, [a(NAME, ADDRESS)]);
  expect(events(last())).toMatchObject([{ event: 'dns.allowed', reason: 'kernel-refused', wouldDeny: true }]);
  expect([last().classes, last().grants]).toEqual([[0], []]);
});

test('two servers that fail: both, in their order, with what they said', () => {
  const { dig, upstream, wait, last, events } = setUp({
    settings: { ...SETTINGS, upstreams: [{ zone: '.', servers: [UPSTREAM, SECOND] }] },
  });
  dig(NAME);
  upstream(NAME, [], { flags: FLAG.QR | FLAG.RD | 2 });
  wait(5);
  upstream(NAME, [], { flags: FLAG.QR | FLAG.RD | 2 });
  wait(5);
  upstream(NAME, [], { flags: FLAG.QR | FLAG.RD | 2 });
  expect(attemptsOf(last())).toEqual([
    '198.51.100.53 53 udp at 0: SERVFAIL after 0',
    '198.51.100.54 53 udp at 0: SERVFAIL after 5',
    '198.51.100.53 53 udp at 5: SERVFAIL after 5',
  ]);
  expect(replyOf(last())).toMatchObject({ rcode: 'SERVFAIL', opt: { ede: [22] } });
  expect(events(last())).toMatchObject([{ event: 'dns.failed', reason: 'upstream-failed', policy: null }]);
  expect(last().rule).toBe(0);
});

test('a silent server has no outcome', () => {
  const { dig, wait, last } = setUp();
  dig(NAME);
  wait(5_000);
  expect(attemptsOf(last()).map((each) => each.replace(/ at .*:/, ':'))).toEqual(
    Array.from({ length: last().attempts.length }, () => '198.51.100.53 53 udp: null after null'),
  );
  const times = last().attempts.map(({ atMs }) => atMs ?? 0);
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(last().attempts.length).toBeGreaterThan(1);
});

test('a truncated answer is asked for over TCP, as for a pod that asks over UDP', () => {
  const { dig, upstream, last, wait } = setUp();
  dig(NAME);
  upstream(NAME, [], { flags: FLAG.QR | FLAG.RD | FLAG.TC });
  wait(5_000);
  expect(last().attempts.slice(0, 2)).toMatchObject([{ transport: 'udp', outcome: 'truncated' }, { transport: 'tcp' }]);
});

test('merged with a query that a pod asked before: that one’s attempts are its own', () => {
  const { dig, ask, upstream, wait, last, events, replies } = setUp({
    settings: { ...SETTINGS, upstreams: [{ zone: '.', servers: [UPSTREAM, SECOND] }] },
  });
  ask(NAME, OTHER_POD);
  wait(100);
  dig(NAME);
  wait(300); // the second server is asked
  upstream(NAME, [a(NAME, ADDRESS)]);
  expect(events(last()).at(-1)).toMatchObject({ event: 'dns.allowed', merged: true, dig: true, client: POD });
  expect(attemptsOf(last())).toEqual([
    '198.51.100.53 53 udp at -100: null after null',
    '198.51.100.54 53 udp at 300: NOERROR after 0',
  ]);
  expect(grantsOf(last())).toHaveLength(1);
  expect(replies()).toBe(1);
});

test('what it asks answers a pod that asks the same meanwhile', () => {
  const { dig, ask, upstream, told, replies, granted } = setUp();
  dig(NAME);
  ask(NAME, OTHER_POD);
  upstream(NAME, [a(NAME, ADDRESS)]);
  expect([told.length, replies()]).toEqual([1, 1]);
  expect(granted().toSorted()).toEqual([`${POD} 192.0.2.1`, `${OTHER_POD} 192.0.2.1`]);
});

test('what is asked later in the slot that it waited for is not its way', () => {
  const { pods, ...rest } = snapshot(1);
  const first = { ...rest, pods: pods.map((pod) => (pod.id === 2 ? { ...pod, program: -1 } : pod)) };
  const { dig, ask, upstream, committer, run, told, last, loop } = setUp({ first });
  ask(NAME, OTHER_POD);
  dig(NAME);
  committer.hold();
  upstream(NAME, [a(NAME, ADDRESS)]); // the other pod needs no grant: its slot is free again
  expect([told.length, loop.plane.slots.inUse]).toEqual([0, 1]);
  ask('other.example.org', OTHER_POD);
  committer.release();
  run();
  expect(last().attempts).toHaveLength(1);
});

test('an answer longer than a datagram may be is whole', () => {
  const { dig, upstream, last } = setUp();
  dig(NAME);
  upstream(
    NAME,
    Array.from({ length: 100 }, (_, i) => a(NAME, [192, 0, 2, i])),
  );
  expect(last().reply?.length).toBeGreaterThan(1_232);
  expect(replyOf(last()).records).toHaveLength(100);
  expect(grantsOf(last())).toHaveLength(100);
});

test('an address that no pod has is refused', () => {
  const { dig, last, events } = setUp();
  dig(NAME, { pod: '10.0.1.99' });
  expect(replyOf(last())).toMatchObject({ rcode: 'REFUSED', opt: { ede: [18] } });
  expect(events(last())).toMatchObject([{ event: 'dns.denied', reason: 'unknown-client' }]);
});

test('what no pod may ask is refused before it has a slot', () => {
  const { dig, last, loop } = setUp();
  dig(NAME, { type: TYPE.AXFR });
  expect(replyOf(last())).toMatchObject({ rcode: 'REFUSED', question: { name: NAME } });
  expect([last().records, loop.plane.slots.inUse]).toEqual([[], 0]);
});

test('bytes that are no query are told without a reply', () => {
  const { loop } = setUp();
  const told: Dug[] = [];
  loop.dig({ client: bytesOf(POD), query: new Uint8Array(5) }, (dug) => told.push(dug));
  expect(told).toMatchObject([{ kind: 'asked', reply: undefined, records: [] }]);
});

test('one more than may be under way is refused at once; the others are answered', () => {
  const { dig, told, wait, count } = setUp();
  for (let n = 0; n <= MAX_DIGS; n++) dig(`n${n}.example.org`);
  expect(told).toEqual([{ kind: 'busy' }]);
  wait(5_000);
  expect(told.filter(({ kind }) => kind === 'asked')).toHaveLength(MAX_DIGS);
  expect(count('queries_over_budget')).toBe(0);
  dig(NAME);
  wait(5_000);
  expect(told).toHaveLength(MAX_DIGS + 2);
});

test('a pod that is gone when the answer comes is refused, and that is told', () => {
  const { dig, upstream, loop, last, granted } = setUp();
  dig(NAME);
  const { pods, ...rest } = snapshot(2);
  loop.adopt({ ...rest, pods: pods.slice(1) });
  upstream(NAME, [a(NAME, ADDRESS)]);
  expect(replyOf(last())).toMatchObject({ rcode: 'REFUSED' });
  expect([last().grants, granted()]).toEqual([[], []]);
});

test('the record is written although the pod has used up its records of this second', () => {
  const { dig, ask, ring, events, last, loop } = setUp();
  for (let n = 0; n <= RECORDS_PER_SECOND; n++) ask('api.example.com');
  dig('api.example.com');
  expect(events(last())).toHaveLength(1);
  const written: unknown[] = [];
  ring.drain((at) => written.push(decode(ring.view, ring.bytes, at, NOBODY)), Infinity);
  expect(written.at(-1)).toMatchObject({ event: 'dns.denied', dig: true });
  expect(loop.plane.slots.inUse).toBe(0);
});

test('what the pod asks itself bears no mark', () => {
  const { ask, ring } = setUp();
  ask('api.example.com');
  const written: object[] = [];
  ring.drain((at) => written.push(decode(ring.view, ring.bytes, at, NOBODY)), Infinity);
  expect(written).toHaveLength(1);
  expect(written[0]).not.toHaveProperty('dig');
});
