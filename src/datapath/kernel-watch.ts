// Notices that somebody else deleted our table or one of its sets of grants: then the mirror is wrong and is not believed any more, so that
// every answer needs a commit again, and that commit fails for as long as the sets are missing (I1, I5). And that chains, rules or sets of
// ours changed, by whom it cannot tell. Elements are not seen, nor is `flush set`: our own commits would drown everything else (V7).
import { ERRNO } from '../sys/sys.ts';
import type { Fd, Memory, Sys } from '../sys/sys.ts';

const NLMSG_HEADER_BYTES = 16;
const NFGENMSG_BYTES = 4;
const NFNL_SUBSYS_NFTABLES = 10;
const NFPROTO_INET = 1;
/** New and deleted tables, chains, rules and sets (linux/netfilter/nf_tables.h); a changed one is announced as new. */
const MESSAGE = {
  NewTable: 0,
  DelTable: 2,
  NewChain: 3,
  DelChain: 5,
  NewRule: 6,
  DelRule: 8,
  NewSet: 9,
  DelSet: 11,
} as const;
const TOUCHING: ReadonlySet<number> = new Set(Object.values(MESSAGE));
// The table's name is attribute 1 in all of them, a set's is 2.
const TABLE_NAME = 1;
const SET_NAME = 2;
const BUFFER_BYTES = 64 * 1024;
const SOCKET_BYTES = 1024 * 1024;

/** What `read` saw, the worst of it. Loss: too many events at once, as another program's big transaction makes them. */
export const SEEN = { Nothing: 0, Loss: 1, Damage: 2 } as const;

export class KernelWatch {
  readonly fd: Fd;
  readonly #sys: Sys;
  readonly #memory: Memory;
  readonly #view: DataView;
  readonly #table: Uint8Array;
  #isTouched = false;

  private constructor(sys: Sys, fd: Fd, table: string) {
    this.#sys = sys;
    this.fd = fd;
    this.#memory = sys.allocate(BUFFER_BYTES);
    this.#view = new DataView(this.#memory.bytes.buffer, this.#memory.bytes.byteOffset, this.#memory.bytes.byteLength);
    this.#table = new TextEncoder().encode(`${table}\0`);
  }

  /** `table` is of the family inet. Throws SysError. */
  static open(sys: Sys, table: string): KernelWatch {
    const fd = sys.netlinkOpen(SOCKET_BYTES);
    sys.netlinkWatch(fd, table);
    return new KernelWatch(sys, fd, table);
  }

  /**
   * Whether the last `read` saw a table, chain, rule or set of ours come, change or go, by our own hand or by another's, or may have
   * missed that: whoever knows what we did ourselves has to compare (kernel/fingerprint.ts).
   */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  /**
   * Reads what has happened: our table was deleted, or one of `sets`; or events were lost and it must be looked. Other sets come and go
   * with every change of rules, which have anonymous ones.
   */
  read(sets: ReadonlySet<string>): number {
    let seen: number = SEEN.Nothing;
    this.#isTouched = false;
    for (;;) {
      const length = this.#sys.receive(this.fd, this.#memory, 0, BUFFER_BYTES);
      if (length === -ERRNO.ENOBUFS || length > BUFFER_BYTES) seen = Math.max(seen, SEEN.Loss);
      else if (length <= 0) break;
      else if (this.#hasDamage(length, sets)) seen = SEEN.Damage;
    }
    if (seen !== SEEN.Nothing) this.#isTouched = true;
    return seen;
  }

  /** The kernel puts several messages of one transaction into one datagram. */
  #hasDamage(lengthBytes: number, sets: ReadonlySet<string>): boolean {
    for (let at = 0; at + NLMSG_HEADER_BYTES + NFGENMSG_BYTES <= lengthBytes;) {
      const length = this.#view.getUint32(at, true);
      if (length < NLMSG_HEADER_BYTES || length > lengthBytes - at) return false; // cut, or not what it says
      const type = this.#view.getUint16(at + 4, true) - (NFNL_SUBSYS_NFTABLES << 8);
      if (TOUCHING.has(type) && this.#isOurs(at, at + length)) {
        this.#isTouched = true;
        if (type === MESSAGE.DelTable) return true;
        if (type === MESSAGE.DelSet && sets.has(this.#setName(at, at + length))) return true;
      }
      at += (length + 3) & ~3;
    }
    return false;
  }

  #isOurs(message: number, end: number): boolean {
    if (this.#view.getUint8(message + NLMSG_HEADER_BYTES) !== NFPROTO_INET) return false;
    const table = this.#table;
    const at = this.#find(message, end, TABLE_NAME);
    if (at < 0 || this.#valueBytes(at) !== table.length) return false;
    // Another program's transaction brings thousands: a text for each would cost more than all the rest.
    for (let i = 0; i < table.length; i++) if (this.#memory.bytes[at + i] !== table[i]) return false;
    return true;
  }

  /** Deletions of sets of ours are rare: here a text may be made. */
  #setName(message: number, end: number): string {
    const at = this.#find(message, end, SET_NAME);
    if (at < 0) return '';
    return new TextDecoder('latin1').decode(this.#memory.bytes.subarray(at, at + this.#valueBytes(at) - 1));
  }

  /** Where the text of the attribute `wanted` begins, or -1. */
  #find(message: number, end: number, wanted: number): number {
    for (let at = message + NLMSG_HEADER_BYTES + NFGENMSG_BYTES; at + 4 <= end;) {
      const length = this.#view.getUint16(at, true);
      if (length < 5 || at + length > end) return -1;
      if ((this.#view.getUint16(at + 2, true) & 0x3fff) === wanted) return at + 4;
      at += (length + 3) & ~3;
    }
    return -1;
  }

  #valueBytes(at: number): number {
    return this.#view.getUint16(at - 4, true) - 4;
  }
}
