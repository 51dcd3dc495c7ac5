import { expect, test } from 'vitest';
import { decode } from '../../../src/audit/decode.ts';
import type { AuditEvent } from '../../../src/audit/event.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { CAP } from '../../../src/bridge/audit-record.ts';
import { Control } from '../../../src/bridge/control.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { suspectSpoof } from '../../../src/datapath/caps.ts';
import { IN_FLIGHT_PER_POD } from '../../../src/datapath/forward.ts';
import { Loop } from '../../../src/datapath/loop.ts';
import type { DatapathSettings } from '../../../src/datapath/settings.ts';
import { GRANTS_PER_POD } from '../../../src/datapath/state/grants.ts';
import { NO_POD } from '../../../src/datapath/state/pod-table.ts';
import { NO_SLOT } from '../../../src/datapath/state/query-slots.ts';
import { a, message, question, response } from '../dns/message.ts';
import { endpoint, SERVER, SETTINGS, simulate, snapshot, UPSTREAM } from './plane-with-pods.ts';

const [CART, BILLING] = ['10.0.1.7', '10.0.1.8'];
const WINDOW_MS = 10_000;
const NAMES = {
  pod: (id: number) =>
    id === 0 ? undefined : { uid: `${id}`, namespace: 'shop', name: `pod-${id}`, labels: {}, addresses: [] },
  rule: () => undefined,
  portClass: () => undefined,
};

function setUp(settings: Partial<DatapathSettings> = {}) {
  const simulated = simulate();
  const { sys, sent } = simulated;
  const counters = new Counters();
  const ring = new AuditRing();
  const events = {
    onWake: () => undefined,
    onOpen: () => undefined,
    onKernelTouched: () => undefined,
    onKernelDamage: () => undefined,
    onInternalError: (error: unknown) => expect.fail(String(error)),
  };
  const loop = new Loop(sys, { ...SETTINGS, ...settings }, { control: new Control(), counters, ring }, events);
  loop.adopt(snapshot(1));
  const run = (): void => {
    do loop.turn();
    while (sys.hasReady());
  };
  let asked = 0;
  const ask = (name: string, pod = CART): void => {
    const id = ++asked & 0xffff;
    sys.network.deliver(endpoint(pod, 20_000 + (asked % 40_000)), SERVER, message({ id, questions: [question(name)] }));
    run();
  };
  /** Answers the question that was sent upstream last. */
  const upstream = (name: string): void => {
    const out = sent.at(-1) ?? expect.fail('nothing was asked');
    const id = Buffer.from(out.bytes).readUInt16BE(0);
    const answer = response({ id, questions: [question(name)], answers: [a(name, [192, 0, 2, 1])] });
    sys.network.deliver(UPSTREAM, { address: UPSTREAM.address, port: out.from.port }, answer);
    run();
  };
  /** What the audit said of limits and forgers since the last call. */
  const said = (): string[] => {
    const found: AuditEvent[] = [];
    ring.drain((at) => found.push(decode(ring.view, ring.bytes, at, NAMES)), Infinity);
    return found.flatMap((event) => {
      if (event.event === 'cap.reached') return [`${event.pod?.name ?? 'nobody'} ${event.cap} ${event.count}`];
      return event.event === 'spoof' ? [`${event.server} port ${event.port} ${event.count}`] : [];
    });
  };
  const wait = (milliseconds: number): void => {
    sys.advance(milliseconds);
    run();
  };
  const count = (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0;
  return { loop, ask, upstream, said, wait, count, run };
}

test('a pod with too many questions in flight: each one more is told, at once and then with its number', () => {
  const { ask, said, wait, count } = setUp();
  for (let i = 0; i < IN_FLIGHT_PER_POD; i++) ask(`n${i}.example.org`);
  expect(said()).toEqual([]);
  ask('one.example.org');
  ask('two.example.org');
  ask('three.example.org');
  ask('other.example.org', BILLING);
  expect([said(), count('queries_over_budget')]).toEqual([['pod-1 in-flight 1'], 3]);
  wait(WINDOW_MS);
  expect(said()).toEqual(['pod-1 in-flight 2']);
});

test('no slot is free: whoever asks is told of, by itself', () => {
  const { loop, ask, said, count } = setUp();
  while (loop.plane.slots.take() !== NO_SLOT);
  ask('api.example.org');
  ask('api.example.org', BILLING);
  ask('api.example.org', '10.0.9.9');
  expect([said(), count('queries_over_budget')]).toEqual([['pod-1 slots 1', 'pod-2 slots 1', 'nobody slots 1'], 3]);
});

test('too many questions of all pods together wait', () => {
  const { loop, ask, said } = setUp();
  loop.plane.waiting = loop.plane.slots.capacity;
  ask('api.example.org', BILLING);
  expect(said()).toEqual(['pod-2 slots 1']);
});

test('a pod with all its grants', () => {
  const { loop, ask, upstream, said, count } = setUp();
  const { grants } = loop.plane;
  const pod = loop.plane.pods.indexOfId(1);
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  for (let i = 0; i < GRANTS_PER_POD; i++) {
    view.setUint32(12, i);
    grants.reserve(0, pod, address, 0, 1e9);
  }
  ask('api.example.org');
  upstream('api.example.org');
  expect([said(), count('grants_refused')]).toEqual([['pod-1 grants 1'], 1]);
});

test('names and queries beyond the budgets, of each pod by itself', () => {
  const { ask, said, count } = setUp({ queriesPerSecond: 6, newNamesPerSecond: 4 });
  for (let i = 0; i < 8; i++) ask(`n${i}.example.org`);
  ask('other.example.org', BILLING);
  expect(said()).toEqual(['pod-1 names 1', 'pod-1 rate 1']);
  expect([count('names_over_budget'), count('queries_over_rate'), count('upstream_sent')]).toEqual([2, 2, 5]);
});

test('at the end of the loop, what was not told yet is', () => {
  const { loop, ask, said } = setUp({ queriesPerSecond: 1 });
  for (let i = 0; i < 6; i++) ask('api.example.org');
  suspectSpoof(loop.plane, 0);
  expect(said()).toEqual(['pod-1 rate 1']);
  loop.close();
  expect(said()).toEqual(['pod-1 rate 4', '198.51.100.53 port 53 1']);
});

test('a pod that goes takes what was counted with it: the next one at its index begins anew (I4)', () => {
  const { loop, ask, said, wait } = setUp({ queriesPerSecond: 1 });
  for (let i = 0; i < 6; i++) ask('api.example.com');
  expect(said()).toEqual(['pod-1 rate 1']);
  const index = loop.plane.pods.indexOfId(1);
  const [first, second] = snapshot(2).pods;
  const pods = [{ ...(first ?? expect.fail()), id: 3 }, second ?? expect.fail()];
  loop.adopt({ ...snapshot(2), pods });
  expect([said(), loop.plane.pods.indexOfId(3)]).toEqual([['pod-1 rate 4'], index]);
  ask('api.example.com');
  ask('api.example.com');
  wait(WINDOW_MS);
  expect(said()).toEqual(['pod-3 rate 1']);
});

test('wrong answers from the address of a server are told once a window, with their number', () => {
  const { loop, said, wait, run } = setUp();
  for (let i = 0; i < 5; i++) suspectSpoof(loop.plane, 0);
  run();
  for (let i = 0; i < 3; i++) suspectSpoof(loop.plane, 0);
  run();
  expect(said()).toEqual(['198.51.100.53 port 53 5']);
  wait(WINDOW_MS);
  expect(said()).toEqual(['198.51.100.53 port 53 3']);
});

test('what was counted of a server is told of it when another takes its place', () => {
  const { loop, said, run } = setUp();
  suspectSpoof(loop.plane, 0);
  run();
  suspectSpoof(loop.plane, 0);
  loop.replaceUpstreams([{ zone: '.', servers: [endpoint('198.51.100.54', 5_353)] }]);
  run();
  loop.replaceUpstreams([{ zone: '.', servers: [endpoint('198.51.100.55')] }]); // at the first one's place
  expect(loop.plane.upstreams.servers.find(endpoint('198.51.100.55'))).toBe(0);
  expect(said()).toEqual(['198.51.100.53 port 53 1', '198.51.100.53 port 53 1']);
});

test('a record of a limit that finds no room is as many lost as it stood for (I11)', () => {
  const { loop, ask, count } = setUp({ queriesPerSecond: 1 });
  for (let i = 0; i < 9; i++) ask('api.example.org');
  while (loop.plane.audit.reserve(500) >= 0) loop.plane.audit.commit(500);
  while (loop.plane.audit.reserve(8) >= 0) loop.plane.audit.commit(8);
  const before = count('audit_lost');
  loop.plane.caps.end(() => undefined); // told to nobody here
  loop.plane.caps.add(loop.plane.pods.indexOfId(1) * Object.keys(CAP).length + CAP.rate, 7);
  loop.close();
  expect(count('audit_lost') - before).toBe(7);
});

test('clients that are no pods are told of together', () => {
  const { loop, ask, said } = setUp({ queriesPerSecond: 1 });
  expect(loop.plane.pods.indexOfId(99)).toBe(NO_POD);
  for (const client of ['10.0.9.7', '10.0.9.8', '10.0.9.9']) ask(client, client);
  expect(said()).toEqual(['nobody rate 1']);
  loop.close();
  expect(said()).toEqual(['nobody rate 1']);
});
