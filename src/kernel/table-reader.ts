// Lists what nf_tables holds of one table, by raw dumps over a socket of its own, in a fraction of the time of `nft -j`: what is left is
// the kernel's, which walks a set anew for every 32 KiB. It never changes anything in the kernel, and never hands out a listing that a
// transaction may have cut in two.
import { ERRNO, errnoName, SysError } from '../sys/sys.ts';
import type { Fd, Memory, Sys } from '../sys/sys.ts';
import { Messages, valueAt } from './messages.ts';
import {
  aligned,
  HEADER_BYTES,
  MessageBuffer,
  NFGENMSG_BYTES,
  NFPROTO_INET,
  NLM_F_REQUEST,
  NLMSG_ERROR,
} from './netlink.ts';

/** nlmsg_type of the requests (linux/netfilter/nf_tables.h). */
export const LIST = {
  Tables: 0xa01,
  Chains: 0xa04,
  Rules: 0xa07,
  Sets: 0xa0a,
  Elements: 0xa0d,
  Objects: 0xa13,
} as const;

const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_DONE = 3;
// The table's name is attribute 1 of every request and of every message in answer; the set's is 2 in requests for elements.
const TABLE_NAME = 1;
const SET_NAME = 2;
const NAME_BYTES = 256; // NFT_NAME_MAXLEN, NUL included
const REQUEST_BYTES = 1024;
const REPLY_BYTES = 64 * 1024; // the kernel makes at most 32 KiB at once (netlink_recvmsg)
const SOCKET_BYTES = 1024 * 1024;
const MAX_TRIES = 32;

export class TableReader {
  readonly #sys: Sys;
  readonly #table: Buffer;
  readonly #family: number;
  readonly #memory: Memory;
  readonly #view: DataView;
  readonly #request: MessageBuffer;
  #fd: Fd | undefined;
  #sequence = 0;

  private constructor(sys: Sys, table: string, family: number) {
    this.#sys = sys;
    this.#family = family;
    this.#table = Buffer.from(`${table}\0`, 'latin1');
    this.#memory = sys.allocate(REPLY_BYTES + REQUEST_BYTES);
    this.#view = new DataView(this.#memory.bytes.buffer, this.#memory.bytes.byteOffset, this.#memory.bytes.byteLength);
    this.#request = new MessageBuffer(this.#memory, REPLY_BYTES, REQUEST_BYTES);
    this.#fd = sys.netlinkOpen(SOCKET_BYTES);
  }

  /** Its memory lives as long as the process: open one and keep it. Throws SysError. */
  static open(sys: Sys, table: string, family = NFPROTO_INET): TableReader {
    return new TableReader(sys, table, family);
  }

  close(): void {
    if (this.#fd !== undefined) this.#sys.close(this.#fd);
    this.#fd = undefined;
  }

  /**
   * The messages that answer `request`, one of LIST; elements are those of `set`. None when there is no such table or set. A dump that
   * another transaction interrupted is repeated until one is whole, or until two in a row agree: beside our own thousands of commits a
   * second, which change elements alone, none may be whole. Throws SysError; `EINTR` when nothing agrees.
   */
  list(request: number, set = ''): Messages {
    let before: Messages | undefined;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const messages = new Messages();
      if (this.#dump(request, set, messages)) return messages;
      if (before?.equals(messages) === true) return messages;
      before = messages;
    }
    throw refused(ERRNO.EINTR);
  }

  /** False when it was interrupted. */
  #dump(request: number, set: string, messages: Messages): boolean {
    const fd = (this.#fd ??= this.#sys.netlinkOpen(SOCKET_BYTES));
    let isOver = false;
    try {
      this.#send(fd, request, set);
      const outcome = this.#receive(fd, messages);
      isOver = true;
      return outcome;
    } finally {
      if (!isOver) this.close(); // the rest of this dump must not be taken for the next one's
    }
  }

  #send(fd: Fd, request: number, set: string): void {
    const out = this.#request;
    out.clear();
    this.#sequence = (this.#sequence + 1) >>> 0;
    const start = out.openMessage(request, NLM_F_REQUEST | NLM_F_DUMP, this.#sequence);
    out.familyHeader(this.#family, 0);
    writeName(out, TABLE_NAME, this.#table);
    if (set !== '') writeName(out, SET_NAME, Buffer.from(`${set}\0`, 'latin1'));
    out.closeMessage(start);
    const sent = this.#sys.send(fd, this.#memory, out.start, out.at - out.start);
    if (sent < 0) throw refused(-sent);
  }

  /** Every read makes the kernel write the next part (netlink_recvmsg), so that there is nothing to wait for. */
  #receive(fd: Fd, messages: Messages): boolean {
    let isWhole = true;
    let generation = -1;
    for (;;) {
      const length = this.#sys.receive(fd, this.#memory, 0, REPLY_BYTES);
      if (length === -ERRNO.EINTR) continue;
      if (length < 0) throw refused(-length);
      if (length > REPLY_BYTES) throw refused(ERRNO.EMSGSIZE);
      for (let at = 0; at + HEADER_BYTES + NFGENMSG_BYTES <= length;) {
        const end = Math.min(at + Math.max(this.#view.getUint32(at, true), HEADER_BYTES), length);
        const type = this.#view.getUint16(at + 4, true);
        if (this.#view.getUint32(at + 8, true) === this.#sequence) {
          if ((this.#view.getUint16(at + 6, true) & NLM_F_DUMP_INTR) !== 0) isWhole = false;
          if (type === NLMSG_DONE || type === NLMSG_ERROR) return this.#isEnd(at, messages) && isWhole;
          // Interrupted dumps of elements are not marked (6.18). But each message says of which generation it is, and a message without
          // elements ends every dump of them.
          const current = this.#view.getUint16(at + HEADER_BYTES + 2);
          if (generation >= 0 && generation !== current) isWhole = false;
          generation = current;
          this.#take(at + HEADER_BYTES + NFGENMSG_BYTES, end, messages);
        }
        at = aligned(end);
      }
    }
  }

  /** The word behind the header of the last message is 0 or -errno. */
  #isEnd(at: number, messages: Messages): boolean {
    const errno = Math.max(0, -this.#view.getInt32(at + HEADER_BYTES, true));
    if (errno === ERRNO.ENOENT) messages.clear();
    else if (errno === ERRNO.EINTR || errno === ERRNO.EAGAIN) return false;
    else if (errno !== 0) throw refused(errno);
    return true;
  }

  /** Dumps of tables and chains know no table: those of others are left out here. */
  #take(from: number, to: number, messages: Messages): void {
    const name = valueAt(this.#view, from, to, TABLE_NAME);
    if (name < 0 || this.#table.compare(this.#memory.bytes, name, name + this.#table.length) !== 0) return;
    messages.append(this.#memory.bytes, from, to);
  }
}

function writeName(out: MessageBuffer, type: number, name: Uint8Array): void {
  const start = out.openAttribute(type);
  out.copy(name, 0, Math.min(name.length, NAME_BYTES));
  out.closeAttribute(start);
}

function refused(errno: number): SysError {
  return new SysError(errnoName(errno), `Cannot list the nftables table: ${errnoName(errno)}`);
}
