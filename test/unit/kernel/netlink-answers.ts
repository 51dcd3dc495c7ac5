// A netlink socket that answers what a test has prepared, and the messages to prepare.
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Fd, Sys } from '../../../src/sys/sys.ts';

export const HEADER_BYTES = 16;

/** Datagrams, or negative errnos. `sequence` is that of the request sent last. */
type Answer = (sequence: number) => readonly (Uint8Array | number)[];

export class NetlinkAnswers {
  readonly sent: Uint8Array[] = [];
  opened = 0;
  readonly #answers: Answer[] = [];
  #queue: (Uint8Array | number)[] = [];
  readonly sys: Sys;

  constructor() {
    const part: Partial<Sys> = {
      allocate: (lengthBytes) => ({ bytes: new Uint8Array(lengthBytes), address: 0 }),
      netlinkOpen: () => {
        this.#queue = [];
        return ++this.opened as Fd;
      },
      netlinkJoin: () => undefined,
      close: () => undefined,
      send: (_fd, memory, offset, length) => {
        const request = memory.bytes.slice(offset, offset + length);
        this.sent.push(request);
        this.push(...(this.#answers.shift()?.(new DataView(request.buffer).getUint32(8, true)) ?? []));
        return length;
      },
      receive: (_fd, into) => {
        const next = this.#queue.shift() ?? -ERRNO.EAGAIN;
        if (typeof next === 'number') return next;
        into.bytes.set(next);
        return next.length;
      },
    };
    this.sys = part as Sys; // the clients of netlink call nothing else
  }

  /** To the next request that has none yet. */
  answer(answer: Answer): void {
    this.#answers.push(answer);
  }

  /** Unasked. */
  push(...datagrams: readonly (Uint8Array | number)[]): void {
    this.#queue.push(...datagrams);
  }
}

export function attribute(type: number, ...value: readonly (number | Uint8Array)[]): Uint8Array {
  const content = value.flatMap((part) => (typeof part === 'number' ? [part] : [...part]));
  const bytes = new Uint8Array((4 + content.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + content.length, true);
  view.setUint16(2, type, true);
  bytes.set(content, 4);
  return bytes;
}

export interface Head {
  readonly type: number;
  readonly sequence?: number;
  readonly flags?: number;
  readonly family?: number;
}

/** A message of nfnetlink. */
export function message(head: Head, ...attributes: readonly Uint8Array[]): Uint8Array {
  return framed(head, Uint8Array.of(head.family ?? 2, 0, 0, 0), ...attributes);
}

/** NLMSG_ERROR: the acknowledgement with 0. */
export function report(sequence: number, errno: number): Uint8Array {
  return framed({ type: 2, sequence }, int32(-errno), new Uint8Array(HEADER_BYTES));
}

/** NLMSG_DONE: the end of a dump. */
export function done(sequence: number, errno = 0): Uint8Array {
  return framed({ type: 3, sequence }, int32(-errno));
}

function framed({ type, sequence = 0, flags = 0 }: Head, ...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(Buffer.concat([new Uint8Array(HEADER_BYTES), ...parts]));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  return bytes;
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** A tuple attribute of TCP over IPv4: `type` 1 the original, 2 the reply. */
export function tuple(
  type: number,
  source: readonly number[],
  destination: readonly number[],
  port: number,
): Uint8Array {
  const ip = attribute(0x8001, attribute(1, ...source), attribute(2, ...destination));
  const ports = [attribute(2, 0x9c, 0x40), attribute(3, port >> 8, port & 255)];
  return attribute(0x8000 | type, ip, attribute(0x8002, attribute(1, 6), ...ports));
}
