// The attributes of netlink messages (struct nlattr, netlink(7)) once they are read: kept together, found by their type. Knows nothing of
// sockets or sets, and trusts no length in them.
import { aligned, ATTRIBUTE_BYTES, NLA_F_NESTED } from './netlink.ts';

type Visit = (view: DataView, from: number, to: number) => void;

/** The attributes of messages, copied out of the memory that they were received in. */
export class Messages {
  #bytes = new Uint8Array(16 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  append(source: Uint8Array, from: number, to: number): void {
    const next = this.#end + ATTRIBUTE_BYTES + aligned(to - from);
    if (next > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(next, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#view.setUint32(this.#end, to - from, true);
    this.#bytes.set(source.subarray(from, to), this.#end + ATTRIBUTE_BYTES);
    this.#end = next;
  }

  clear(): void {
    this.#end = 0;
  }

  equals(other: Messages): boolean {
    return Buffer.compare(this.#bytes.subarray(0, this.#end), other.#bytes.subarray(0, other.#end)) === 0;
  }

  /** `visit` gets each message's attributes: bytes from .. to-1 of `view`. */
  forEach(visit: Visit): void {
    for (let at = 0; at < this.#end;) {
      const length = this.#view.getUint32(at, true);
      visit(this.#view, at + ATTRIBUTE_BYTES, at + ATTRIBUTE_BYTES + length);
      at += ATTRIBUTE_BYTES + aligned(length);
    }
  }
}

/** Where the value of the first attribute of this type begins between `from` and `to`, or -1. It lies there whole. */
export function valueAt(view: DataView, from: number, to: number, type: number): number {
  for (let at = from; at + ATTRIBUTE_BYTES <= to;) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > to) return -1;
    if ((view.getUint16(at + 2, true) & ~NLA_F_NESTED) === type) return at + ATTRIBUTE_BYTES;
    at += aligned(length);
  }
  return -1;
}

/** The length of the value that `valueAt` found. */
export function valueBytes(view: DataView, at: number): number {
  return view.getUint16(at - ATTRIBUTE_BYTES, true) - ATTRIBUTE_BYTES;
}

/** `visit` gets the type of each attribute between `from` and `to`, and where its value begins and ends. */
export function eachAttribute(
  view: DataView,
  from: number,
  to: number,
  visit: (type: number, at: number, end: number) => void,
): void {
  for (let at = from; at + ATTRIBUTE_BYTES <= to;) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > to) return;
    visit(view.getUint16(at + 2, true) & ~NLA_F_NESTED, at + ATTRIBUTE_BYTES, at + length);
    at += aligned(length);
  }
}
