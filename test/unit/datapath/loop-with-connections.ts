// A loop on a simulated system, and pods that connect to it: what the tests of connections share.
import { expect } from 'vitest';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { Control } from '../../../src/bridge/control.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import { Loop } from '../../../src/datapath/loop.ts';
import type { DatapathSettings } from '../../../src/datapath/settings.ts';
import type { FarEnd } from '../../../src/sys/simulated-streams.ts';
import { message, question } from '../dns/message.ts';
import { endpoint, SERVER, SETTINGS, simulate, snapshot } from './plane-with-pods.ts';

/** No rule allows it: it is answered at once. */
export const DENIED = 'api.example.com';

export function framed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(bytes.length >> 8, bytes.length & 0xff, ...bytes);
}

/** So many queries, one behind the other, with ids from `first` on. */
export function queries(name: string, count: number, first = 0): Uint8Array {
  const each = Array.from({ length: count }, (_, i) =>
    framed(message({ id: (first + i) & 0xffff, questions: [question(name)] })),
  );
  return new Uint8Array(Buffer.concat(each));
}

/** How many replies `far` was sent; one write may hold several. */
export function replies(far: FarEnd): number {
  const bytes = Buffer.concat(far.written);
  let count = 0;
  for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) count++;
  return count;
}

export function setUp(settings: DatapathSettings = SETTINGS) {
  const simulated = simulate();
  const { sys, committer, sent } = simulated;
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
  loop.adopt(snapshot(1));
  let port = 30_000;
  const turn = (): void => {
    loop.turn();
    committer.work();
  };
  return {
    ...simulated,
    loop,
    turn,
    /** Turns until nothing is left to do. */
    run: (): void => {
      do turn();
      while (sys.hasReady() || loop.plane.clients.rousedCount > 0);
    },
    wait: (milliseconds: number): void => {
      for (let left = milliseconds; left > 0; left -= 100) {
        sys.advance(Math.min(left, 100));
        turn();
      }
    },
    /** A pod connects, and is accepted. */
    connect: (pod: string): FarEnd => {
      const far = sys.streams.dial(endpoint(pod, port++), SERVER) ?? expect.fail('nobody listens');
      turn();
      return far;
    },
    /** A pod's query by UDP. */
    ask: (pod: string, name: string, id = 1): void => {
      sys.network.deliver(endpoint(pod, 40_000), SERVER, message({ id, questions: [question(name)] }));
    },
    /** Replies by UDP so far. */
    datagrams: (): number => sent.filter(({ from }) => from.port === SERVER.port).length,
    count: (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0,
  };
}
