// Netlink messages of nf_tables: how they are laid out in memory (netlink(7), linux/netfilter/nf_tables.h) and the one socket that
// carries them. Knows nothing about grants. Nothing here throws or allocates after construction.
import { ERRNO } from '../sys/sys.ts';
import type { Fd, Memory, Sys } from '../sys/sys.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_CREATE = 0x400;
const NLMSG_ERROR = 2;
export const HEADER_BYTES = 16;
export const NFGENMSG_BYTES = 4;
export const NFPROTO_INET = 1;
const NFNL_SUBSYS_NFTABLES = 10;
export const NLA_F_NESTED = 0x8000;
export const ATTRIBUTE_BYTES = 4;

/** nlmsg_type of the messages in use: the nf_tables subsystem in the high byte, except for the two that frame a batch. */
export const MESSAGE = {
  BatchBegin: 0x10,
  BatchEnd: 0x11,
  NewSetElement: (NFNL_SUBSYS_NFTABLES << 8) | 12,
  GetSetElement: (NFNL_SUBSYS_NFTABLES << 8) | 13,
  DeleteSetElement: (NFNL_SUBSYS_NFTABLES << 8) | 14,
  /** Deletes without ENOENT; Linux 6.3 on (V5). */
  DestroySetElement: (NFNL_SUBSYS_NFTABLES << 8) | 30,
} as const;

export function aligned(lengthBytes: number): number {
  return (lengthBytes + 3) & ~3;
}

/** Writes messages one after the other into bytes start .. end-1 of a block of memory. The caller checks `room` first. */
export class MessageBuffer {
  readonly memory: Memory;
  readonly start: number;
  /** Where the next byte goes. */
  at: number;
  readonly #end: number;
  readonly #view: DataView;

  constructor(memory: Memory, start: number, lengthBytes: number) {
    this.memory = memory;
    this.start = this.at = start;
    this.#end = start + lengthBytes;
    this.#view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.byteLength);
  }

  get room(): number {
    return this.#end - this.at;
  }

  clear(): void {
    this.at = this.start;
  }

  /** Begins a message; closeMessage(answer) sets its length. `resourceId` is big-endian: the subsystem, in a batch frame. */
  openMessage(type: number, flags: number, sequence: number): number {
    const start = this.at;
    this.#view.setUint32(start, 0, true);
    this.#view.setUint16(start + 4, type, true);
    this.#view.setUint16(start + 6, flags, true);
    this.#view.setUint32(start + 8, sequence, true);
    this.#view.setUint32(start + 12, 0, true);
    this.at = start + HEADER_BYTES;
    return start;
  }

  closeMessage(start: number): void {
    this.#view.setUint32(start, this.at - start, true);
  }

  addFlags(start: number, flags: number): void {
    this.#view.setUint16(start + 6, this.#view.getUint16(start + 6, true) | flags, true);
  }

  /** struct nfgenmsg. */
  familyHeader(family: number, resourceId: number): void {
    this.#view.setUint8(this.at, family);
    this.#view.setUint8(this.at + 1, 0);
    this.#view.setUint16(this.at + 2, resourceId);
    this.at += NFGENMSG_BYTES;
  }

  /** The message that begins or ends a transaction of nf_tables. */
  batchFrame(type: number, sequence: number): void {
    const start = this.openMessage(type, NLM_F_REQUEST, sequence);
    this.familyHeader(0, NFNL_SUBSYS_NFTABLES);
    this.closeMessage(start);
  }

  openAttribute(type: number): number {
    const start = this.at;
    this.#view.setUint16(start + 2, type, true);
    this.at += ATTRIBUTE_BYTES;
    return start;
  }

  closeAttribute(start: number): void {
    this.#view.setUint16(start, this.at - start, true);
    while ((this.at & 3) !== 0) this.memory.bytes[this.at++] = 0;
  }

  /** A be64 attribute whose value is below 2^32. */
  attributeU64(type: number, value: number): void {
    const start = this.openAttribute(type);
    this.#view.setUint32(this.at, 0);
    this.#view.setUint32(this.at + 4, value);
    this.at += 8;
    this.closeAttribute(start);
  }

  copy(source: Uint8Array, offset: number, lengthBytes: number): void {
    const bytes = this.memory.bytes;
    for (let i = 0; i < lengthBytes; i++) bytes[this.at + i] = source[offset + i] ?? 0;
    this.at += lengthBytes;
  }
}

/** What the acknowledgements of one batch say. A positive number is the errno of a refusal. */
export const OUTCOME = { Done: 0, Unknown: -1 } as const;

// More than any batch can produce; a socket that still has messages after so many reads is being flooded and is replaced.
const MAX_READS = 65_536;

/**
 * The socket of one writer. The kernel processes a batch inside send(2) and has queued every acknowledgement when it returns (V14), so
 * reading until EAGAIN sees all of them, unless the queue over-ran: then errors are lost without a trace (V25) and only a fresh or
 * emptied socket may be trusted again.
 */
export class NetlinkSocket {
  readonly #sys: Sys;
  readonly #bufferBytes: number;
  readonly #replies: Memory;
  readonly #replyView: DataView;
  #fd: Fd | undefined;

  /** Throws SysError. */
  constructor(sys: Sys, bufferBytes: number, replies: Memory) {
    this.#sys = sys;
    this.#bufferBytes = bufferBytes;
    this.#replies = replies;
    this.#replyView = new DataView(replies.bytes.buffer, replies.bytes.byteOffset, replies.bytes.byteLength);
    this.#fd = sys.netlinkOpen(bufferBytes);
  }

  close(): void {
    if (this.#fd !== undefined) this.#sys.close(this.#fd);
    this.#fd = undefined;
  }

  /** Forgets whatever is queued, by a new socket. False when the kernel gives none; the next `send` tries again. */
  reopen(): boolean {
    this.close();
    try {
      this.#fd = this.#sys.netlinkOpen(this.#bufferBytes);
      return true;
    } catch {
      return false; // out of descriptors or memory: the commit is answered Unknown and nothing is released
    }
  }

  /** Empties the receive queue, then sends. Answers the bytes sent or -errno; nothing reached the kernel when negative. */
  send(memory: Memory, offset: number, lengthBytes: number): number {
    const ready = this.#fd !== undefined && this.#drain();
    if (!ready) this.reopen();
    if (this.#fd === undefined) return -ERRNO.EMFILE;
    return this.#sys.send(this.#fd, memory, offset, lengthBytes);
  }

  /** One datagram into the reply memory: its length, or -errno. */
  receive(): number {
    if (this.#fd === undefined) return -ERRNO.EAGAIN;
    return this.#sys.receive(this.#fd, this.#replies, 0, this.#replies.bytes.length);
  }

  /**
   * Reads everything that is queued and judges the batch of sequence numbers first .. last (wrapping at 2^32), whose last message asked
   * for the acknowledgement. An error of any of its messages decides: the kernel applied nothing. An acknowledgement counts only with no
   * error, no loss and no stranger beside it, since a failed commit is reported under `first` *and* the last message is acknowledged.
   */
  outcome(first: number, last: number): number {
    let acknowledged = false;
    let doubtful = false;
    let refusedErrno = 0;
    for (let reads = 0; ; reads++) {
      const length = reads < MAX_READS ? this.receive() : -ERRNO.ENOBUFS;
      if (length === -ERRNO.EINTR) continue;
      if (length === -ERRNO.EAGAIN) break;
      if (length < 0) doubtful = true;
      if (length < 0 && length !== -ERRNO.ENOBUFS) break;
      if (reads >= MAX_READS) break;
      if (length < 0) continue;
      if (length > this.#replies.bytes.length) doubtful = true;
      const end = Math.min(length, this.#replies.bytes.length);
      for (let at = 0; at + HEADER_BYTES <= end;) {
        const messageBytes = this.#replyView.getUint32(at, true);
        const errno = this.#errnoAt(at, end, first, last);
        if (errno < 0) doubtful = true;
        if (errno > 0 && refusedErrno === 0) refusedErrno = errno;
        if (errno === 0 && this.#replyView.getUint32(at + 8, true) === last) acknowledged = true;
        if (messageBytes < HEADER_BYTES) break;
        at += aligned(messageBytes);
      }
    }
    if (doubtful) this.reopen();
    if (refusedErrno > 0) return refusedErrno;
    return acknowledged && !doubtful ? OUTCOME.Done : OUTCOME.Unknown;
  }

  /** The errno (0: acknowledgement) in the message at `at`; negative when it is nothing that this batch asked for. */
  #errnoAt(at: number, end: number, first: number, last: number): number {
    if (this.#replyView.getUint16(at + 4, true) !== NLMSG_ERROR || at + HEADER_BYTES + 4 > end) return -1;
    const sequence = this.#replyView.getUint32(at + 8, true);
    if ((sequence - first) >>> 0 > (last - first) >>> 0) return -1;
    return Math.abs(this.#replyView.getInt32(at + HEADER_BYTES, true));
  }

  /** False when the queue cannot be emptied. An ENOBUFS read here is about the past: the queue behind it is emptied, so it is over. */
  #drain(): boolean {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const length = this.receive();
      if (length === -ERRNO.EAGAIN) return true;
      if (length < 0 && length !== -ERRNO.ENOBUFS && length !== -ERRNO.EINTR) return false;
    }
    return false;
  }
}
