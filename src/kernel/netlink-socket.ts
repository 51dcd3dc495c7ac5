// The socket that carries batches to nf_tables, and the reading of its acknowledgements. A wrong "done" here would release an address
// that the kernel does not have (I1), so whatever is not proven is Unknown. Nothing throws after construction.
import { ERRNO } from '../sys/sys.ts';
import type { Fd, Memory, Sys } from '../sys/sys.ts';
import { aligned, HEADER_BYTES, NLMSG_ERROR } from './netlink.ts';

/** What the acknowledgements of one batch say. A positive number is the errno of a refusal. */
export const OUTCOME = { Done: 0, Unknown: -1 } as const;

const STRANGER = -1;
// More than any batch can produce; a socket that still has messages after so many reads is being flooded and is replaced.
const MAX_READS = 65_536;

/**
 * The kernel processes a batch inside send(2) and has queued every acknowledgement when it returns (V14), so reading until EAGAIN sees
 * all of them, unless the queue over-ran: then errors are lost without a trace (V25) and only a fresh or emptied socket may be trusted.
 */
export class NetlinkSocket {
  readonly #sys: Sys;
  readonly #bufferBytes: number;
  readonly #replies: Memory;
  readonly #replyView: DataView;
  #fd: Fd | undefined;
  // What has been read of the acknowledgements of the batch at hand.
  #acknowledged = false;
  #doubtful = false;
  #refusedErrno = 0;

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
      return false; // out of descriptors or memory: the next send is refused and nothing is released
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
    this.#acknowledged = this.#doubtful = false;
    this.#refusedErrno = 0;
    let reads = 0;
    for (; reads < MAX_READS; reads++) {
      const length = this.receive();
      if (length === -ERRNO.EAGAIN) break;
      if (length === -ERRNO.EINTR) continue;
      if (length < 0 || length > this.#replies.bytes.length) this.#doubtful = true;
      if (length < 0 && length !== -ERRNO.ENOBUFS) break;
      this.#readReports(Math.min(length, this.#replies.bytes.length), first, last);
    }
    if (reads === MAX_READS) this.#doubtful = true;
    if (this.#doubtful) this.reopen();
    if (this.#refusedErrno > 0) return this.#refusedErrno;
    return this.#acknowledged && !this.#doubtful ? OUTCOME.Done : OUTCOME.Unknown;
  }

  #readReports(end: number, first: number, last: number): void {
    for (let at = 0; at + HEADER_BYTES <= end;) {
      const errno = this.#errnoAt(at, end, first, last);
      if (errno === STRANGER) this.#doubtful = true;
      if (errno > 0 && this.#refusedErrno === 0) this.#refusedErrno = errno;
      if (errno === 0 && this.#replyView.getUint32(at + 8, true) === last) this.#acknowledged = true;
      at += Math.max(HEADER_BYTES, aligned(this.#replyView.getUint32(at, true)));
    }
  }

  /** The errno (0: acknowledgement) in the message at `at`, or STRANGER when it is nothing that this batch asked for. */
  #errnoAt(at: number, end: number, first: number, last: number): number {
    if (this.#replyView.getUint16(at + 4, true) !== NLMSG_ERROR || at + HEADER_BYTES + 4 > end) return STRANGER;
    const sequence = this.#replyView.getUint32(at + 8, true);
    if ((sequence - first) >>> 0 > (last - first) >>> 0) return STRANGER;
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
