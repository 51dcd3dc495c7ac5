// Notices that somebody else deleted our table or one of its sets of grants. Then the mirror is wrong: it is not believed any more, so
// that every answer needs a commit again, and that commit fails for as long as the sets are missing (I1, I5).
import { ERRNO } from '../sys/sys.ts';
import type { Fd, Memory, Sys } from '../sys/sys.ts';

const NLMSG_HEADER_BYTES = 16;
const NFGENMSG_BYTES = 4;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_DELSET = 11;
// The table's name is attribute 1 in messages about tables and about sets (NFTA_TABLE_NAME, NFTA_SET_TABLE), a set's is 2.
const NFTA_TABLE = 1;
const NFTA_SET_NAME = 2;
const BUFFER_BYTES = 64 * 1024;
const SOCKET_BYTES = 1024 * 1024;

/** What `read` saw, the worst of it. Loss: too many events at once, as another program's big transaction makes them. */
export const SEEN = { Nothing: 0, Loss: 1, Damage: 2 } as const;

export class KernelWatch {
  readonly fd: Fd;
  readonly #sys: Sys;
  readonly #memory: Memory;
  readonly #view: DataView;
  readonly #table: string;

  private constructor(sys: Sys, fd: Fd, table: string) {
    this.#sys = sys;
    this.fd = fd;
    this.#memory = sys.allocate(BUFFER_BYTES);
    this.#view = new DataView(this.#memory.bytes.buffer, this.#memory.bytes.byteOffset, this.#memory.bytes.byteLength);
    this.#table = table;
  }

  /** Throws SysError. */
  static open(sys: Sys, table: string): KernelWatch {
    const fd = sys.netlinkOpen(SOCKET_BYTES);
    sys.netlinkWatch(fd);
    return new KernelWatch(sys, fd, table);
  }

  /**
   * Reads what has happened: our table was deleted, or one of `sets`; or events were lost and it must be looked. Other sets come and go
   * with every change of rules, which have anonymous ones.
   */
  read(sets: ReadonlySet<string>): number {
    let seen: number = SEEN.Nothing;
    for (;;) {
      const length = this.#sys.receive(this.fd, this.#memory, 0, BUFFER_BYTES);
      if (length === -ERRNO.ENOBUFS || length > BUFFER_BYTES) seen = Math.max(seen, SEEN.Loss);
      else if (length <= 0) return seen;
      else if (this.#hasDeletion(length, sets)) seen = SEEN.Damage;
    }
  }

  /** The kernel puts several messages of one transaction into one datagram. */
  #hasDeletion(lengthBytes: number, sets: ReadonlySet<string>): boolean {
    for (let at = 0; at + NLMSG_HEADER_BYTES <= lengthBytes;) {
      const length = this.#view.getUint32(at, true);
      if (length < NLMSG_HEADER_BYTES || length > lengthBytes - at) return false; // cut, or not what it says
      const type = this.#view.getUint16(at + 4, true);
      const attributes = at + NLMSG_HEADER_BYTES + NFGENMSG_BYTES;
      const end = Math.min(at + length, lengthBytes);
      const isTable = type === ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE);
      const isSet = type === ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELSET);
      if ((isTable || isSet) && this.#text(attributes, end, NFTA_TABLE) === this.#table) {
        if (isTable || sets.has(this.#text(attributes, end, NFTA_SET_NAME))) return true;
      }
      at += (length + 3) & ~3;
    }
    return false;
  }

  /** The string attribute `wanted` without its NUL, or ''. Deletions are rare: here a text may be made. */
  #text(from: number, end: number, wanted: number): string {
    for (let at = from; at + 4 <= end;) {
      const length = this.#view.getUint16(at, true);
      if (length < 5 || at + length > end) return '';
      if ((this.#view.getUint16(at + 2, true) & 0x3fff) === wanted) {
        return new TextDecoder('latin1').decode(this.#memory.bytes.subarray(at + 4, at + length - 1));
      }
      at += (length + 3) & ~3;
    }
    return '';
  }
}
