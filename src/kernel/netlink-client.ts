// A netlink socket of the main thread: requests with their answers, dumps among them, and what comes unasked. Every length is checked. Never
// for the data path: it allocates, and a dump takes as long as the table is long.
import type { Fd, Memory, Sys } from '../sys/sys.ts';
import { ERRNO, errnoName } from '../sys/sys.ts';
import { KernelError } from './kernel-error.ts';
import { aligned, HEADER_BYTES, MessageBuffer, NFGENMSG_BYTES } from './netlink.ts';
import { NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR } from './netlink.ts';
import type { Span } from './netlink-attributes.ts';

const NLMSG_DONE = 3;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const REQUEST_BYTES = 4096;
/** The kernel fills at most 32 KiB at once (af_netlink.c), and an attribute ends below 64 KiB. */
const DATAGRAM_BYTES = 64 * 1024;
/** Enough for requests: the kernel makes the next part of a dump when the one before was read. */
export const REQUESTS_BUFFER_BYTES = 256 * 1024;

/** What stands before the attributes. */
export interface RequestHead {
  readonly type: number;
  /** Of struct nfgenmsg: an address family, and what the subsystem uses as the resource id. */
  readonly family: number;
  readonly resourceId: number;
}

/** `family` is that of struct nfgenmsg. */
export type VisitMessage = (type: number, family: number, attributes: Span, flags: number) => void;

function visitMessage(view: DataView, at: number, to: number, visit: VisitMessage): void {
  const from = at + HEADER_BYTES + NFGENMSG_BYTES;
  if (from > to) return;
  const family = view.getUint8(at + HEADER_BYTES);
  visit(view.getUint16(at + 4, true), family, { view, from, to }, view.getUint16(at + 6, true));
}

/** `action` begins the message: `Cannot …`. The code stays the kernel's program that would have said the same. */
export function refusal(errno: number, action: string): KernelError {
  return new KernelError('nft', `${action}: ${errnoName(errno)}`);
}

/** Its memory is for the life of the process (Sys.allocate): open one, not one a request. */
export class NetlinkClient {
  readonly #sys: Sys;
  readonly #bufferBytes: number;
  readonly #answers: Memory;
  readonly #view: DataView;
  readonly #request: MessageBuffer;
  #fd: Fd | undefined;
  #sequence = 0;

  private constructor(sys: Sys, bufferBytes: number) {
    this.#sys = sys;
    this.#bufferBytes = bufferBytes;
    this.#answers = sys.allocate(DATAGRAM_BYTES);
    const { buffer, byteOffset, byteLength } = this.#answers.bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#request = new MessageBuffer(sys.allocate(REQUEST_BYTES), 0, REQUEST_BYTES);
    this.#fd = sys.netlinkOpen(bufferBytes);
  }

  /** Throws SysError. */
  static open(sys: Sys, bufferBytes: number): NetlinkClient {
    return new NetlinkClient(sys, bufferBytes);
  }

  /** Subscribes to a multicast group (Sys.netlinkJoin). Throws SysError. */
  join(group: number): void {
    this.#sys.netlinkJoin(this.#open(), group);
  }

  close(): void {
    if (this.#fd !== undefined) this.#sys.close(this.#fd);
    this.#fd = undefined;
  }

  /** Asks for a change; `write` adds the attributes. The errno of the kernel's answer, 0: done. Throws KernelError where there is none. */
  change(head: RequestHead, write: (request: MessageBuffer) => void): number {
    this.#send(head, NLM_F_ACK, write);
    return this.#readAnswer(() => undefined);
  }

  /**
   * Asks for everything there is. False: the kernel says that the table changed in a way that may have hidden something. Throws KernelError,
   * and what `visit` throws; the next request is not harmed by either.
   */
  dump(head: RequestHead, visit: VisitMessage): boolean {
    this.#send(head, NLM_F_DUMP, () => undefined);
    let isWhole = true;
    const errno = this.#readAnswer((type, family, attributes, flags) => {
      if ((flags & NLM_F_DUMP_INTR) !== 0) isWhole = false;
      visit(type, family, attributes, flags);
    });
    if (errno !== 0) throw refusal(errno, 'Cannot list what the kernel holds');
    return isWhole;
  }

  /**
   * One datagram of what comes unasked. `loss`: there was more than the buffer could hold. Throws KernelError when the socket is of no use any
   * more, and what `visit` throws.
   */
  receive(visit: VisitMessage): 'messages' | 'loss' | 'nothing' {
    const length = this.#sys.receive(this.#open(), this.#answers, 0, DATAGRAM_BYTES);
    if (length === -ERRNO.EAGAIN || length === -ERRNO.EINTR) return 'nothing';
    if (length === -ERRNO.ENOBUFS || length > DATAGRAM_BYTES) return 'loss';
    if (length < 0) throw refusal(-length, 'Cannot read what the kernel reports');
    for (let at = 0; at + HEADER_BYTES <= length;) {
      const to = at + this.#view.getUint32(at, true);
      if (to < at + HEADER_BYTES || to > length) return 'loss';
      visitMessage(this.#view, at, to, visit);
      at = aligned(to);
    }
    return 'messages';
  }

  /** A socket that was given up half-way through an answer is made anew. */
  #open(): Fd {
    return (this.#fd ??= this.#sys.netlinkOpen(this.#bufferBytes));
  }

  #send(head: RequestHead, flags: number, write: (request: MessageBuffer) => void): void {
    const fd = this.#open();
    this.#sequence = (this.#sequence + 1) >>> 0;
    const request = this.#request;
    request.clear();
    const start = request.openMessage(head.type, NLM_F_REQUEST | flags, this.#sequence);
    request.familyHeader(head.family, head.resourceId);
    write(request);
    request.closeMessage(start);
    const sent = this.#sys.send(fd, request.memory, 0, request.at);
    if (sent < 0) throw refusal(-sent, 'Cannot ask the kernel over netlink');
  }

  /** Reads until the message that ends the answer: its errno. Left half-way for whatever reason, the socket goes, and the rest with it. */
  #readAnswer(visit: VisitMessage): number {
    let errno: number | undefined;
    try {
      while (errno === undefined) errno = this.#readDatagram(visit);
      return errno;
    } finally {
      if (errno === undefined) this.close();
    }
  }

  /** The errno when the answer ends in this datagram. */
  #readDatagram(visit: VisitMessage): number | undefined {
    const length =
      this.#fd === undefined ? -ERRNO.EBADF : this.#sys.receive(this.#fd, this.#answers, 0, DATAGRAM_BYTES);
    if (length === -ERRNO.EINTR) return undefined;
    // The kernel has queued its answer when send(2) returns (V14): nothing there means that it was lost.
    if (length < 0) throw refusal(-length, "Cannot read the kernel's answer");
    if (length > DATAGRAM_BYTES) throw refusal(ERRNO.EMSGSIZE, "Cannot read the kernel's answer");
    for (let at = 0; at + HEADER_BYTES <= length;) {
      const to = at + this.#view.getUint32(at, true);
      if (to < at + HEADER_BYTES || to > length) throw refusal(ERRNO.EINVAL, "Cannot read the kernel's answer");
      const type = this.#view.getUint16(at + 4, true);
      const isOurs = this.#view.getUint32(at + 8, true) === this.#sequence;
      if (isOurs && (type === NLMSG_ERROR || type === NLMSG_DONE)) return this.#errnoOf(at, to);
      if (isOurs) visitMessage(this.#view, at, to, visit);
      at = aligned(to);
    }
    return undefined;
  }

  /** A dump that ended well may say so without an errno. */
  #errnoOf(at: number, to: number): number {
    return at + HEADER_BYTES + 4 > to ? 0 : Math.abs(this.#view.getInt32(at + HEADER_BYTES, true));
  }
}
