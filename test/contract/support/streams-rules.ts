// What the data plane relies on of TCP: the same rules for the kernel (contract/streams.test.ts) and for what stands in for it in scenarios
// (unit/sys/simulated-streams.test.ts).
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Peer } from '../../../src/sys/streams.ts';
import { ERRNO, INTEREST } from '../../../src/sys/sys.ts';
import type { Endpoint, Fd, Memory, Sys } from '../../../src/sys/sys.ts';

/** Somebody who is connected to a listener of ours. */
export interface Client {
  readonly address: Endpoint;
  write(bytes: Uint8Array): void;
  /** Writes no more. */
  end(): void;
  reset(): void;
  /** What we wrote, as far as it has taken it. */
  taken(): Uint8Array;
  /** Takes nothing from now on; `take` everything again. */
  stall(): void;
  take(): void;
  /** How we ended the connection. */
  ended(): 'open' | 'closed' | 'reset';
}

export interface StreamsWorld {
  readonly sys: Sys;
  /** Where we may listen. */
  readonly here: Endpoint;
  /** Where connections are refused, and where nothing is ever heard. */
  readonly refused: Endpoint;
  readonly silent: Endpoint;
  readonly server: Endpoint;
  /** Somebody connects to `here`. */
  connect(): Client;
  close(): void;
}

const OPTIONS = { transparent: false, backlog: 64 };
/** More than any buffer on the way holds. */
const MUCH_BYTES = 16 * 1024 * 1024;
const PATIENCE_MS = 10_000;
const ROOM = 65_536;

/** Until it is true, as the kernel may need a moment. */
export function soon(isSo: () => boolean): void {
  const word = new Int32Array(new SharedArrayBuffer(4));
  for (const end = performance.now() + PATIENCE_MS; !isSo();) {
    if (performance.now() > end) expect.fail(`not within ${PATIENCE_MS} ms: ${isSo.toString()}`);
    Atomics.wait(word, 0, 0, 1);
  }
}

export function describeStreams(name: string, open: () => StreamsWorld): void {
  describe(name, () => {
    let world: StreamsWorld;
    let sys: Sys;
    let memory: Memory;
    let listener: Fd;
    let epoll: Fd;
    const peer = new Peer();
    const fds: Fd[] = [];
    const ready = new Int32Array(64);

    beforeEach(() => {
      world = open();
      ({ sys } = world);
      memory = sys.allocate(ROOM);
      epoll = own(sys.epollOpen());
      listener = own(sys.streams.listen(world.here, OPTIONS));
    });
    afterEach(() => {
      for (const fd of fds.splice(0)) sys.close(fd);
      world.close();
    });

    function own(fd: Fd): Fd {
      fds.push(fd);
      return fd;
    }
    /** It is ended by the test itself. */
    function disown(fd: Fd): Fd {
      fds.splice(fds.indexOf(fd), 1);
      return fd;
    }
    function accept(): Fd {
      let fd = -1;
      soon(() => (fd = sys.streams.accept(listener, peer)) !== -ERRNO.EAGAIN);
      return own(fd as Fd); // the descriptor that accept(2) answers
    }
    function connected(): { client: Client; fd: Fd } {
      const client = world.connect();
      return { client, fd: accept() };
    }
    /** What a read answers, and what it read; waits while there is nothing. */
    function read(fd: Fd, most = ROOM): { count: number; bytes: number[] } {
      let count = 0;
      soon(() => (count = sys.streams.read(fd, memory, 0, most)) !== -ERRNO.EAGAIN);
      return { count, bytes: [...memory.bytes.subarray(0, Math.max(0, count))] };
    }
    function write(fd: Fd, ...bytes: number[]): number {
      memory.bytes.set(bytes);
      return sys.streams.write(fd, memory, 0, bytes.length);
    }
    function fill(fd: Fd): { total: number; last: number } {
      let total = 0;
      let last = 0;
      while (total < MUCH_BYTES && (last = sys.streams.write(fd, memory, 0, ROOM)) > 0) total += last;
      return { total, last };
    }
    function watch(fd: Fd, interest: number): void {
      sys.epollAdd(epoll, fd);
      sys.epollWatch(epoll, fd, interest);
    }
    function isReady(fd: Fd): boolean {
      const count = sys.epollWait(epoll, ready, 0);
      return ready.subarray(0, Math.max(0, count)).includes(fd);
    }

    describe('listening', () => {
      test('nobody waits: EAGAIN', () => {
        expect(sys.streams.accept(listener, peer)).toBe(-ERRNO.EAGAIN);
      });

      test('who connects is accepted in turn, with address and port', () => {
        const clients = [world.connect(), world.connect()];
        for (const { address } of clients) {
          accept();
          expect([peer.address, peer.port]).toEqual([address.address, address.port]);
        }
        expect(sys.streams.accept(listener, peer)).toBe(-ERRNO.EAGAIN);
      });

      test('a second listener at the same address and port is refused, whoever is connected to the first', () => {
        connected();
        const code = 'EADDRINUSE';
        expect(() => own(sys.streams.listen(world.here, OPTIONS))).toThrow(expect.objectContaining({ code }));
      });

      test('whoever listens next can do so at once, with connections open or just closed by us', () => {
        const [one, two, three] = [connected(), connected(), connected()];
        sys.close(disown(one.fd));
        two.client.end();
        sys.close(disown(listener));
        listener = own(sys.streams.listen(world.here, OPTIONS));
        const next = connected();
        next.client.write(Uint8Array.of(1));
        three.client.write(Uint8Array.of(2));
        expect([read(next.fd).bytes, read(three.fd).bytes]).toEqual([[1], [2]]);
      });

      test('a listener is ready while somebody waits, when that is watched for', () => {
        watch(listener, INTEREST.Input);
        expect(isReady(listener)).toBe(false);
        world.connect();
        soon(() => isReady(listener));
        sys.epollWatch(epoll, listener, INTEREST.None);
        expect(isReady(listener)).toBe(false);
        sys.epollWatch(epoll, listener, INTEREST.Input);
        accept();
        expect(isReady(listener)).toBe(false);
      });
    });

    describe('reading', () => {
      test('nothing has come: EAGAIN', () => {
        expect(sys.streams.read(connected().fd, memory, 0, 10)).toBe(-ERRNO.EAGAIN);
      });

      test('as much as there is room for, then the rest, where it is wanted', () => {
        const { client, fd } = connected();
        client.write(Uint8Array.of(1, 2, 3));
        expect(read(fd, 2)).toEqual({ count: 2, bytes: [1, 2] });
        memory.bytes.fill(9);
        expect(sys.streams.read(fd, memory, 5, 10)).toBe(1);
        expect([...memory.bytes.subarray(4, 7)]).toEqual([9, 3, 9]);
      });

      test('what was written before the end is read, then the end, as often as it is asked for', () => {
        const { client, fd } = connected();
        client.write(Uint8Array.of(1));
        client.end();
        expect([read(fd), read(fd).count, read(fd).count]).toEqual([{ count: 1, bytes: [1] }, 0, 0]);
      });

      test('who writes no more still reads', () => {
        const { client, fd } = connected();
        client.end();
        expect(read(fd).count).toBe(0);
        expect(write(fd, 5, 6)).toBe(2);
        soon(() => client.taken().length === 2);
      });

      test('what was written before a reset is read, then the reset', () => {
        const { client, fd } = connected();
        client.write(Uint8Array.of(1, 2));
        watch(fd, INTEREST.Input);
        soon(() => isReady(fd));
        client.reset();
        soon(() => write(fd, 1) < 0);
        expect(read(fd)).toEqual({ count: 2, bytes: [1, 2] });
        expect(read(fd).count).toBeLessThanOrEqual(0);
      });

      test('a reset alone', () => {
        const { client, fd } = connected();
        client.reset();
        expect(read(fd).count).toBe(-ERRNO.ECONNRESET);
      });
    });

    describe('writing', () => {
      test('is whole and in order', () => {
        const { client, fd } = connected();
        expect([write(fd, 1, 2), write(fd, 3)]).toEqual([2, 1]);
        soon(() => client.taken().length === 3);
        expect([...client.taken()]).toEqual([1, 2, 3]);
      });

      test('who does not take it makes writes short, then EAGAIN; when it takes it, there is room again', () => {
        const { client, fd } = connected();
        client.stall();
        const { total, last } = fill(fd);
        expect(last).toBe(-ERRNO.EAGAIN);
        expect(total).toBeLessThan(MUCH_BYTES);
        watch(fd, INTEREST.Output);
        expect(isReady(fd)).toBe(false);
        client.take();
        soon(() => isReady(fd));
        expect(write(fd, 1)).toBe(1);
        soon(() => client.taken().length === total + 1);
      });

      test('to who has reset is an error, again and again, and no signal', () => {
        const { client, fd } = connected();
        client.reset();
        soon(() => write(fd, 1) < 0);
        expect([write(fd, 1), write(fd, 1)]).toEqual([-ERRNO.EPIPE, -ERRNO.EPIPE]);
      });
    });

    describe('being ready', () => {
      test.each([
        ['bytes, watched for', INTEREST.Input, 'write', true],
        ['bytes, not watched for', INTEREST.Output, 'write', false],
        ['the end, watched for', INTEREST.Input, 'end', true],
        ['the end, not watched for', INTEREST.None, 'end', false],
        ['a reset, watched for', INTEREST.Input, 'reset', true],
        ['a reset, although nothing is watched for', INTEREST.None, 'reset', true],
      ] as const)('%s', (_why, interest, what, wants) => {
        const { client, fd } = connected();
        client.stall();
        if ((interest & INTEREST.Output) !== 0) fill(fd);
        watch(fd, interest);
        if (what === 'write') client.write(Uint8Array.of(1));
        else client[what]();
        sys.epollWatch(epoll, fd, INTEREST.Input);
        soon(() => isReady(fd)); // it has arrived
        sys.epollWatch(epoll, fd, interest);
        expect(isReady(fd)).toBe(wants);
      });

      test('a connection that can be written to is ready at once', () => {
        const { fd } = connected();
        watch(fd, INTEREST.Output);
        expect(isReady(fd)).toBe(true);
      });

      test('what is closed is ready no more, and the next descriptor has its number', () => {
        const { client, fd } = connected();
        client.write(Uint8Array.of(1));
        watch(fd, INTEREST.Input);
        soon(() => isReady(fd));
        world.connect();
        sys.close(disown(fd));
        const next = accept();
        expect(next).toBe(fd);
        watch(next, INTEREST.Input);
        expect([isReady(next), sys.streams.read(next, memory, 0, 1)]).toEqual([false, -ERRNO.EAGAIN]);
      });
    });

    describe('ending', () => {
      test('closing is a goodbye, also of what was written before', () => {
        const { client, fd } = connected();
        write(fd, 1, 2, 3);
        sys.close(disown(fd));
        soon(() => client.taken().length === 3 && client.ended() === 'closed');
      });

      test('who is told that we write no more may go on, and is still read', () => {
        const { client, fd } = connected();
        write(fd, 1);
        sys.streams.endWrites(fd);
        soon(() => client.taken().length === 1 && client.ended() === 'closed');
        client.write(Uint8Array.of(2));
        expect(read(fd).bytes).toEqual([2]);
        client.end();
        expect(read(fd).count).toBe(0);
      });

      test('a reset is one', () => {
        const { client, fd } = connected();
        sys.streams.reset(disown(fd));
        soon(() => client.ended() === 'reset');
      });
    });

    describe('connecting', () => {
      function connect(to: Endpoint): Fd {
        const fd = own(sys.streams.connect(to));
        watch(fd, INTEREST.Input | INTEREST.Output);
        return fd;
      }

      test('what is connected can be written to', () => {
        const fd = connect(world.server);
        soon(() => isReady(fd));
        expect(write(fd, 1, 2)).toBe(2);
        expect(sys.streams.read(fd, memory, 0, 1)).toBe(-ERRNO.EAGAIN);
      });

      test('while nothing is heard it is not ready, and reads and writes are EAGAIN', () => {
        const fd = connect(world.silent);
        expect([isReady(fd), write(fd, 1), sys.streams.read(fd, memory, 0, 1)]).toEqual([
          false,
          -ERRNO.EAGAIN,
          -ERRNO.EAGAIN,
        ]);
      });

      test('what is refused is ready, and says so when written to, as an error ever after', () => {
        const fd = connect(world.refused);
        soon(() => isReady(fd));
        expect(write(fd, 1)).toBe(-ERRNO.ECONNREFUSED);
        expect(write(fd, 1)).toBeLessThan(0);
      });

      test('the same when read', () => {
        const fd = connect(world.refused);
        soon(() => isReady(fd));
        expect(sys.streams.read(fd, memory, 0, 1)).toBe(-ERRNO.ECONNREFUSED);
        expect(sys.streams.read(fd, memory, 0, 1)).toBeLessThanOrEqual(0);
      });
    });
  });
}
