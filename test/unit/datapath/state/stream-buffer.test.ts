import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FRAME, StreamBuffer } from '../../../../src/datapath/state/stream-buffer.ts';
import type { Streams } from '../../../../src/sys/streams.ts';
import { ERRNO } from '../../../../src/sys/sys.ts';
import type { Fd } from '../../../../src/sys/sys.ts';

const FD = 7 as Fd;
const CAPACITY = 32;
/** The buffer lies in the midst of memory that is not its own. */
const BEGIN = 5;

/** A buffer behind which pieces arrive one read at a time; `read` says what came out of them since. */
function begin(capacity = CAPACITY) {
  const memory = { bytes: new Uint8Array(BEGIN + capacity + 5).fill(0xee), address: 0 };
  const buffer = new StreamBuffer(memory, BEGIN, capacity);
  const pieces: Uint8Array[] = [];
  const rooms: number[] = [];
  const streams = {
    read: (_fd: Fd, into: typeof memory, offset: number, lengthBytes: number): number => {
      rooms.push(lengthBytes);
      const piece = pieces.shift();
      if (piece === undefined) return -ERRNO.EAGAIN;
      const taken = piece.subarray(0, lengthBytes);
      if (taken.length < piece.length) pieces.unshift(piece.subarray(taken.length));
      into.bytes.set(taken, offset);
      return taken.length;
    },
  } as unknown as Streams; // the buffer asks for nothing else
  const fillOnce: () => number = buffer.readFrom.bind(buffer, streams, FD);
  const shown = (): string[] => {
    const all: string[] = [];
    for (let code = buffer.next(); code !== FRAME.Partial; code = buffer.next()) {
      all.push(
        code === FRAME.Empty ? 'empty' : Buffer.from(buffer.bytes.subarray(buffer.start, buffer.end)).toString(),
      );
      if (code === FRAME.Empty) break;
      if (code === FRAME.TooLong) all.push(`${all.pop()}…`);
    }
    return all;
  };
  return {
    buffer,
    memory,
    rooms,
    shown,
    write: (...bytes: readonly Uint8Array[]): void => void pieces.push(...bytes),
    fill: fillOnce,
    /** Fills and shows until nothing is left to read. */
    read: (): string[] => {
      const all = shown();
      while (fillOnce() > 0) all.push(...shown());
      return all;
    },
  };
}

function framed(...texts: readonly string[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(texts.map((text) => Buffer.from([text.length >> 8, text.length & 0xff, ...Buffer.from(text)]))),
  );
}

function inPieces(bytes: Uint8Array, ...cuts: readonly number[]): Uint8Array[] {
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i]));
}

describe('R3: messages are found wherever the stream is cut', () => {
  const bytes = framed('one', 'second', 'x');
  const cuts = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1);

  test.each(cuts)('in one place: %i', (cut) => {
    const { write, read } = begin();
    write(...inPieces(bytes, cut));
    expect(read()).toEqual(['one', 'second', 'x']);
  });

  test('in two places: all of them', () => {
    for (const first of cuts) {
      for (const second of cuts.filter((each) => each > first)) {
        const { write, read } = begin();
        write(...inPieces(bytes, first, second));
        expect(read()).toEqual(['one', 'second', 'x']);
      }
    }
  });

  test('byte by byte, and nowhere', () => {
    const { write, read } = begin();
    write(...inPieces(bytes, ...cuts), bytes);
    expect(read()).toEqual(['one', 'second', 'x', 'one', 'second', 'x']);
  });
});

test('what is shown stays where it is until the next fill', () => {
  const { write, fill, buffer, memory } = begin();
  write(framed('one', 'two'));
  fill();
  buffer.next();
  const [start, end] = [buffer.start, buffer.end];
  buffer.next();
  expect(Buffer.from(memory.bytes.subarray(start, end)).toString()).toBe('one');
});

test('M31: a message without a byte is told, before whatever follows', () => {
  const { write, read } = begin();
  write(framed('one', '', 'two'));
  expect(read()).toEqual(['one', 'empty']);
});

describe('the room', () => {
  test('a message that fills it is whole', () => {
    const { write, read } = begin();
    const text = 'm'.repeat(CAPACITY - 2);
    write(...inPieces(framed(text, 'next'), 20));
    expect(read()).toEqual([text, 'next']);
  });

  test('messages that end behind its edge are whole: what was shown makes room, and nothing is written beyond', () => {
    const texts = ['a'.repeat(20), 'b'.repeat(25), 'c'.repeat(30), 'd'];
    const { write, read, memory, rooms } = begin();
    write(framed(...texts));
    expect(read()).toEqual(texts);
    expect(Math.min(...rooms)).toBeGreaterThan(0);
    expect([...memory.bytes.subarray(0, BEGIN), ...memory.bytes.subarray(BEGIN + CAPACITY)]).toEqual(
      Array(BEGIN + 5).fill(0xee),
    );
  });

  test('a read is never for nothing: that would look like the end of the stream', () => {
    for (let length = 1; length <= 65_535; length += length < 100 ? 1 : 4_999) {
      const { write, fill, buffer, rooms } = begin();
      write(framed('x'.repeat(length)).subarray(0, -1), new Uint8Array(1), framed('next'));
      for (let left = length + 20; left > 0; left--) {
        while (buffer.next() !== FRAME.Partial);
        fill();
      }
      expect(rooms.filter((room) => room <= 0)).toEqual([]);
    }
  });

  test.each([31, 32, 100, 65_535])('a message of %i bytes is shown by its header, and the rest passes by', (length) => {
    const { write, read } = begin();
    const header = 'ABCDEFGHIJKL';
    write(...inPieces(framed(header + 'z'.repeat(length - 12), 'next'), 3, 13, 14, 40));
    expect(read()).toEqual([`${header}…`, 'next']);
  });
});

describe('whether a message is under way', () => {
  test.each([
    ['nothing has come', [], false],
    ['half of the length', [0], true],
    ['a length', [0, 5], true],
    ['a part', [0, 5, 1, 2], true],
    ['a whole one that was shown', [0, 1, 1], false],
    ['a whole one, and half of the next length', [0, 1, 1, 0], true],
    ['the header of one that is too long', [0, 100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], true],
  ])('%s', (_why, bytes, isPartial) => {
    const { write, read, buffer } = begin();
    if (bytes.length > 0) write(Uint8Array.from(bytes));
    read();
    expect(buffer.isPartial).toBe(isPartial);
  });

  test('the end of one that is too long is the end of it', () => {
    const { write, read, buffer } = begin();
    write(framed('z'.repeat(100)));
    read();
    expect(buffer.isPartial).toBe(false);
  });

  test('nothing is when it was cleared, in the midst of one or of one that was too long', () => {
    for (const text of ['short', 'z'.repeat(100)]) {
      const { write, read, buffer } = begin();
      write(framed(text).subarray(0, -3));
      read();
      buffer.clear();
      expect(buffer.isPartial).toBe(false);
      write(framed('new'));
      expect(read()).toEqual(['new']);
    }
  });
});

test('what reading says is passed on, and changes nothing', () => {
  const { fill, write, read } = begin();
  write(framed('one').subarray(0, 3));
  expect([fill(), fill()]).toEqual([3, -ERRNO.EAGAIN]);
  write(framed('one').subarray(3));
  expect(read()).toEqual(['one']);
});

test('whatever is written and however it is cut, the messages come out in order', () => {
  const length = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 31, max: 200 }));
  fc.assert(
    fc.property(
      fc.array(length, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      (lengths, cuts) => {
        const texts = lengths.map((each, i) => String.fromCharCode(97 + i).repeat(each));
        const bytes = framed(...texts);
        const { write, read } = begin();
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          write(bytes.subarray(at, at + size));
          at += size;
        }
        expect(read()).toEqual(texts.map((text) => (text.length > 30 ? `${text.slice(0, 12)}…` : text)));
      },
    ),
  );
});
