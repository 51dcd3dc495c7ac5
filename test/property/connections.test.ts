// Whatever clients and upstreams do with connections, datagrams and time, in any order: every reply is to a query of its own connection, none
// comes twice, and in the end nothing is left of anybody: no slot, no id, no count, no descriptor.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AuditRing } from '../../src/bridge/audit-ring.ts';
import { Control } from '../../src/bridge/control.ts';
import { Counters } from '../../src/bridge/counters.ts';
import type { Snapshot } from '../../src/bridge/snapshot.ts';
import { Loop } from '../../src/datapath/loop.ts';
import type { UpstreamZone } from '../../src/datapath/settings.ts';
import { SimulatedSys } from '../../src/sys/simulated.ts';
import type { FarEnd } from '../../src/sys/simulated-streams.ts';
import type { Endpoint } from '../../src/sys/sys.ts';
import { Reassembly } from '../support/scenario-streams.ts';
import { a, message, question } from '../unit/dns/message.ts';
import { bytesOf, endpoint, SERVER, SETTINGS, TABLE } from '../unit/datapath/plane-with-pods.ts';

const PODS = ['10.0.1.7', '10.0.1.8', '10.0.1.9'];
const NAMES = ['a.example.org', 'b.example.org', 'c.example.org', 'd.example.org', 'api.example.com'];
const UPSTREAMS = ['198.51.100.1', '198.51.100.2', '198.51.100.3'].map((address) => endpoint(address));
const QR = 0x80;
/** Longer than anything is kept: idle connections, queries, upstream connections. */
const LONG_MS = 25_000;

interface Question {
  readonly bytes: Uint8Array;
  readonly server: Endpoint;
  readonly port: number;
  readonly far?: FarEnd;
}

interface Connection {
  readonly far: FarEnd;
  /** Ids that were asked and are not answered. */
  readonly asked: Map<number, string>;
  isOver: boolean;
}

class Net {
  readonly questions: Question[] = [];
  readonly connections: Connection[] = [];
  readonly datagrams = new Map<number, string>();
  readonly errors: string[] = [];
  readonly sys: SimulatedSys;
  readonly loop: Loop;
  readonly #reassembly = new Reassembly();
  readonly counters = new Counters();
  #asked = 0;

  constructor() {
    this.sys = new SimulatedSys({
      observer: {
        sent: ({ from, to, bytes }) => {
          if (from.port === SERVER.port) this.#reply(this.datagrams, bytes);
          else this.questions.push({ bytes, server: to, port: from.port });
        },
        wrote: (far, bytes) => {
          for (const whole of this.#reassembly.add(far, bytes)) this.#wrote(far, whole);
        },
      },
    });
    for (const [set, keyBytes] of [['grants4_web', 8] as const, ['grants6_web', 32] as const]) {
      this.sys.nftables.addSet(TABLE, set, { keyBytes, size: 1_000 });
    }
    const ring = new AuditRing(new SharedArrayBuffer(64 + (1 << 20)));
    const shared = { control: new Control(), counters: this.counters, ring };
    const tell = (error: unknown): void => void this.errors.push(`exception: ${String(error)}`);
    this.loop = new Loop(this.sys, { ...SETTINGS, upstreams: zonesOf([0, 1]) }, shared, {
      onWake: () => undefined,
      onOpen: () => undefined,
      onKernelTouched: () => undefined,
      onKernelDamage: () => undefined,
      onInternalError: tell,
    });
  }

  run(): void {
    for (let turns = 0; turns < 2 || this.sys.hasReady() || this.loop.plane.clients.rousedCount > 0; turns++) {
      this.loop.turn();
      if (turns > 2_000) return void this.errors.push('the loop never ends');
    }
  }

  open(pod: string): void {
    const far = this.sys.streams.dial(endpoint(pod, 20_000 + ++this.#asked), SERVER) ?? expect.fail('nobody listens');
    this.connections.push({ far, asked: new Map(), isOver: false });
  }

  ask(connection: Connection, name: string, piece: number): void {
    const bytes = this.#query(connection.asked, name);
    const whole = Uint8Array.of(bytes.length >> 8, bytes.length & 0xff, ...bytes);
    for (let at = 0; at < whole.length; at += piece) this.deliver(connection.far, whole.subarray(at, at + piece));
  }

  /** What is written on a connection that we have ended is lost. */
  deliver(far: FarEnd, bytes: Uint8Array): void {
    if (far.ended === 'open') this.sys.streams.deliver(far, bytes);
  }

  finish(far: FarEnd, how: 'finished' | 'reset'): void {
    if (far.ended === 'open') this.sys.streams.finish(far, how);
  }

  askByDatagram(pod: string, name: string): void {
    this.sys.network.deliver(endpoint(pod, 40_000), SERVER, this.#query(this.datagrams, name));
  }

  answer({ bytes, server, port, far }: Question, answer: Uint8Array): void {
    if (far === undefined) this.sys.network.deliver(server, { address: server.address, port }, answer);
    else this.deliver(far, Uint8Array.of(answer.length >> 8, answer.length & 0xff, ...answer));
    expect(bytes.length).toBeGreaterThan(12);
  }

  #query(asked: Map<number, string>, name: string): Uint8Array {
    const id = ++this.#asked;
    asked.set(id, name);
    return message({ id, flags: 0x0100, questions: [question(name)] });
  }

  #wrote(far: FarEnd, bytes: Uint8Array): void {
    const connection = this.connections.find((each) => each.far === far);
    if (connection !== undefined) return this.#reply(connection.asked, bytes);
    this.questions.push({ bytes, server: far.address, port: 0, far });
  }

  #reply(asked: Map<number, string>, bytes: Uint8Array): void {
    const id = Buffer.from(bytes).readUInt16BE(0);
    const name = asked.get(id);
    asked.delete(id);
    const want = name === undefined ? undefined : Buffer.from(question(name)).toString('hex');
    const seen = Buffer.from(bytes).toString('hex').slice(24);
    if (want === undefined || !seen.startsWith(want)) this.errors.push(`reply ${id} to ${name} is ${seen}`);
  }
}

function zonesOf(servers: readonly number[]): UpstreamZone[] {
  return [{ zone: '.', servers: servers.map((i) => UPSTREAMS[i] ?? UPSTREAMS[0]!) }];
}

function snapshot(generation: number, ids: readonly number[]): Snapshot {
  return {
    generation,
    pods: ids.map((id) => ({ id, addresses: [bytesOf(PODS[id % PODS.length] ?? '')], program: 0 })),
    programs: [
      {
        id: 'p',
        names: [{ match: 'pattern', text: '*.example.org', askUdp: true, askTcp: true, classes: [0], rule: 0 }],
      },
    ],
    classIds: ['web'],
    shield: '',
  };
}

const ANSWERS: Readonly<Record<string, (asked: Uint8Array) => Uint8Array>> = {
  good: (asked) => answerTo(asked, 0x8180, [192, 0, 2, 1 + ((asked[0] ?? 0) % 200)]),
  nothing: (asked) => answerTo(asked, 0x8183),
  servfail: (asked) => answerTo(asked, 0x8182),
  refused: (asked) => answerTo(asked, 0x8185),
  truncated: (asked) => answerTo(asked, 0x8380),
  'old-fashioned': (asked) => answerTo(asked, 0x8181),
  bare: (asked) => Uint8Array.of(asked[0] ?? 0, asked[1] ?? 0, QR, 1, 0, 0, 0, 0, 0, 0, 0, 0),
  'cut off': (asked) => answerTo(asked, 0x8180, [192, 0, 2, 1]).slice(0, -3),
  'another id': (asked) => answerTo(Uint8Array.of(...asked).with(1, ((asked[1] ?? 0) + 1) & 0xff), 0x8180),
  runt: () => Uint8Array.of(1),
};

function answerTo(asked: Uint8Array, flags: number, address?: readonly number[]): Uint8Array {
  const end = asked.indexOf(0, 12) + 5;
  const answers = address === undefined ? [] : [a([0xc0, 12], [...address], 1)];
  return message({
    id: Buffer.from(asked).readUInt16BE(0),
    flags,
    questions: [[...asked.subarray(12, end)]],
    answers,
  });
}

const nat = fc.nat({ max: 1_000 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), pod: fc.nat({ max: 2 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      on: nat,
      name: fc.nat({ max: NAMES.length - 1 }),
      piece: fc.constantFrom(1, 7, 100),
      count: fc.constantFrom(1, 1, 2, 100),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('datagram' as const), pod: fc.nat({ max: 2 }), name: nat }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('garbage' as const), on: nat, byte: fc.nat({ max: 255 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('end' as const, 'reset' as const, 'stall' as const), on: nat }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which: nat,
      how: fc.constantFrom('good', 'good', ...Object.keys(ANSWERS)),
      times: fc.constantFrom(1, 1, 2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('hang up' as const), which: nat, isReset: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      server: fc.nat({ max: 2 }),
      how: fc.constantFrom('refused' as const, 'connecting' as const, 'unrouted' as const, undefined),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('upstreams' as const),
      servers: fc.uniqueArray(fc.nat({ max: 2 }), { maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('pods' as const),
      ids: fc.constantFrom([1, 2, 3], [1, 2], [4, 2, 3], [2], []),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 100, 400, 900, 1_500) }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function play(net: Net, it: Step, generation: number): void {
  const { sys, loop, connections, questions } = net;
  const open = connections.filter(({ isOver, far }) => !isOver && far.ended === 'open');
  const chosen = 'on' in it ? open[it.on % Math.max(1, open.length)] : undefined;
  const asked =
    'which' in it ? questions[questions.length - 1 - (it.which % Math.max(1, questions.length))] : undefined;
  switch (it.kind) {
    case 'open':
      return net.open(PODS[it.pod] ?? '');
    case 'ask':
      if (chosen === undefined) return;
      for (let i = 0; i < it.count; i++) {
        net.ask(chosen, it.count > 2 ? `n${i}.example.org` : (NAMES[it.name] ?? ''), it.count > 2 ? 1_000 : it.piece);
      }
      return;
    case 'datagram':
      return net.askByDatagram(PODS[it.pod] ?? '', NAMES[it.name % NAMES.length] ?? '');
    case 'garbage':
      if (chosen === undefined) return;
      chosen.isOver = true; // what it asks from here on means something else
      return net.deliver(chosen.far, Uint8Array.of(0, 1, it.byte, 0, 0));
    case 'end':
    case 'reset':
      if (chosen === undefined) return;
      chosen.isOver = true;
      return net.finish(chosen.far, it.kind === 'end' ? 'finished' : 'reset');
    case 'stall':
      if (chosen !== undefined) chosen.far.window = chosen.far.window > 1_000 ? 50 : 1 << 20;
      return;
    case 'answer':
      if (asked === undefined) return;
      for (let i = 0; i < it.times; i++) {
        net.answer(asked, (ANSWERS[it.how] ?? ANSWERS['good']!)(asked.bytes));
      }
      return;
    case 'hang up':
      if (asked?.far !== undefined) net.finish(asked.far, it.isReset ? 'reset' : 'finished');
      return;
    case 'block':
      if (it.how === undefined) sys.streams.unblock(UPSTREAMS[it.server]!);
      else sys.streams.block(UPSTREAMS[it.server]!, it.how);
      return;
    case 'upstreams':
      loop.replaceUpstreams(zonesOf(it.servers));
      return;
    case 'pods':
      loop.adopt(snapshot(generation, it.ids));
      loop.prune();
      return;
    case 'wait':
      sys.advance(it.ms);
      return loop.turn();
    case 'turn':
      return loop.turn();
  }
}

/** What must be nothing when everybody was waited for. */
function leftovers({ loop, sys }: Net): Record<string, number> {
  const { plane } = loop;
  const sum = (all: ArrayLike<number>): number => Array.from(all).reduce((total, each) => total + each, 0);
  const { servers, streams } = plane.upstreams;
  return {
    slots: plane.slots.inUse,
    waiting: plane.waiting,
    asking: plane.asking.size,
    inFlight: sum(plane.pods.inFlight),
    ids: servers.sockets.reduce((total, socket) => total + (socket?.ids.count ?? 0), 0),
    clients: plane.clients.count,
    upstreamConnections: [...Array(64).keys()].filter((i) => streams.at(4_096 + i) !== undefined).length,
    sockets: servers.sockets.filter((socket) => socket !== undefined).length - 16,
    farEnds: sys.streams.open.length,
  };
}

test('whatever happens in whatever order, replies are right and nothing is left', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const net = new Net();
      net.loop.adopt(snapshot(1, [1, 2, 3]));
      steps.forEach((each, i) => play(net, each, i + 2));
      net.loop.replaceUpstreams(zonesOf([0]));
      for (let waited = 0; waited < LONG_MS; waited += 100) {
        net.sys.advance(100);
        net.run();
      }
      expect(net.errors).toEqual([]);
      expect(leftovers(net)).toEqual(Object.fromEntries(Object.keys(leftovers(net)).map((key) => [key, 0])));
    }),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});
