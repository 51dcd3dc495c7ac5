// The same rules as for the kernel (contract/streams.test.ts), and what scenarios ask besides.
import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import type { FarEnd } from '../../../src/sys/simulated-streams.ts';
import { Peer } from '../../../src/sys/streams.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Endpoint } from '../../../src/sys/sys.ts';
import type { Client } from '../../contract/support/streams-rules.ts';
import { describeStreams } from '../../contract/support/streams-rules.ts';

const endpoint = (text: string, port: number): Endpoint => ({ address: parseAddress(text) ?? expect.fail(text), port });
const HERE = endpoint('10.96.0.10', 53);
const ROOM = 1_000_000;

describeStreams('simulated', () => {
  const sys = new SimulatedSys();
  const [refused, silent, server] = [1, 2, 3].map((last) => endpoint(`192.0.2.${last}`, 53));
  sys.streams.block(refused ?? HERE, 'refused');
  sys.streams.block(silent ?? HERE, 'connecting');
  let port = 40_000;
  return {
    sys,
    here: HERE,
    refused: refused ?? HERE,
    silent: silent ?? HERE,
    server: server ?? HERE,
    connect: () => clientOf(sys, sys.streams.dial(endpoint('10.0.0.7', port++), HERE) ?? expect.fail('nobody listens')),
    close: () => undefined,
  };
});

function clientOf(sys: SimulatedSys, far: FarEnd): Client {
  return {
    address: far.address,
    write: (bytes) => sys.streams.deliver(far, bytes),
    end: () => sys.streams.finish(far, 'finished'),
    reset: () => sys.streams.finish(far, 'reset'),
    taken: () => new Uint8Array(Buffer.concat(far.written)),
    stall: () => (far.window = 100_000),
    take: () => (far.window = ROOM),
    ended: () => far.ended,
  };
}

test('nobody connects to where nobody listens', () => {
  expect(new SimulatedSys().streams.dial(endpoint('10.0.0.7', 1), HERE)).toBe(undefined);
});

test('a refusal of connections, or of what waits to be accepted, ends when it is told to', () => {
  const sys = new SimulatedSys();
  const listener = sys.streams.listen(HERE);
  const peer = new Peer();
  sys.streams.dial(endpoint('10.0.0.7', 1), HERE);
  sys.streams.failAccept(ERRNO.EMFILE, 1);
  expect([sys.streams.accept(listener, peer), sys.streams.accept(listener, peer) > 0]).toEqual([-ERRNO.EMFILE, true]);
  const [server] = [endpoint('192.0.2.1', 53)];
  sys.streams.block(server ?? HERE, 'unrouted');
  expect(() => sys.streams.connect(server ?? HERE)).toThrow(expect.objectContaining({ code: 'ENETUNREACH' }));
  sys.streams.unblock(server ?? HERE);
  expect(sys.streams.connect(server ?? HERE)).toBeGreaterThan(0);
});
