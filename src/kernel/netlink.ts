// Netlink messages of nf_tables as they lie in memory (netlink(7), linux/netfilter/nf_tables.h). Knows nothing about grants or sockets.
// Nothing here throws or allocates after construction.
import type { Memory } from '../sys/sys.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_CREATE = 0x400;
export const NLMSG_ERROR = 2;
export const HEADER_BYTES = 16;
export const NFGENMSG_BYTES = 4;
export const NFPROTO_INET = 1;
export const NFPROTO_BRIDGE = 7;
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

  /** Begins a message; closeMessage(answer) sets its length. */
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

  /** struct nfgenmsg; the resource id is the subsystem in a batch frame. */
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
