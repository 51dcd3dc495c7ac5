// Notices that somebody else deleted our table or one of its sets. Then the mirror is wrong: it is emptied, so that every answer needs a
// commit again, and that commit fails for as long as the sets are missing (I1, I5).
import { ERRNO } from '../sys/sys.ts';
import type { Fd, Memory, Sys } from '../sys/sys.ts';

const NLMSG_HEADER_BYTES = 16;
const NFGENMSG_BYTES = 4;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_DELSET = 11;
// The table's name is attribute 1 in messages about tables and about sets (NFTA_TABLE_NAME, NFTA_SET_TABLE).
const NFTA_TABLE = 1;
const BUFFER_BYTES = 64 * 1024;
const SOCKET_BYTES = 1024 * 1024;

export class KernelWatch {
  readonly fd: Fd;
  readonly #sys: Sys;
  readonly #memory: Memory;
  readonly #view: DataView;
  readonly #table: Uint8Array;

  private constructor(sys: Sys, fd: Fd, table: string) {
    this.#sys = sys;
    this.fd = fd;
    this.#memory = sys.allocate(BUFFER_BYTES);
    this.#view = new DataView(this.#memory.bytes.buffer, this.#memory.bytes.byteOffset, this.#memory.bytes.byteLength);
    this.#table = new TextEncoder().encode(`${table}\0`);
  }

  /** Throws SysError. */
  static open(sys: Sys, table: string): KernelWatch {
    const fd = sys.netlinkOpen(SOCKET_BYTES);
    sys.netlinkWatch(fd);
    return new KernelWatch(sys, fd, table);
  }

  /** Reads what has happened; true when our table or a set of it was deleted, or when events were lost. */
  wasDamaged(): boolean {
    let isDamaged = false;
    for (;;) {
      const length = this.#sys.receive(this.fd, this.#memory, 0, BUFFER_BYTES);
      if (length === -ERRNO.ENOBUFS || length > BUFFER_BYTES)
        isDamaged = true; // lost or cut: look now
      else if (length <= 0) return isDamaged;
      else isDamaged = this.#hasDeletion(length) || isDamaged;
    }
  }

  /** The kernel puts several messages of one transaction into one datagram. */
  #hasDeletion(lengthBytes: number): boolean {
    for (let at = 0; at + NLMSG_HEADER_BYTES <= lengthBytes;) {
      const length = this.#view.getUint32(at, true);
      if (length < NLMSG_HEADER_BYTES) return false;
      const type = this.#view.getUint16(at + 4, true);
      const isDeletion =
        type === ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE) ||
        type === ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELSET);
      if (isDeletion && this.#isOurs(at + NLMSG_HEADER_BYTES + NFGENMSG_BYTES, Math.min(at + length, lengthBytes))) {
        return true;
      }
      at += (length + 3) & ~3;
    }
    return false;
  }

  #isOurs(from: number, end: number): boolean {
    for (let at = from; at + 4 <= end;) {
      const length = this.#view.getUint16(at, true);
      if (length < 4) return false;
      if ((this.#view.getUint16(at + 2, true) & 0x3fff) === NFTA_TABLE) return this.#isTableName(at + 4, length - 4);
      at += (length + 3) & ~3;
    }
    return false;
  }

  #isTableName(at: number, length: number): boolean {
    return length === this.#table.length && this.#table.every((byte, i) => this.#memory.bytes[at + i] === byte);
  }
}
