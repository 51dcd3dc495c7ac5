// Names in a message, as lists of labels (RFC 1035 §3.1, §4.1.4). One character stands for one byte.

const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
/** No honest name has more pointers than labels, and 255 bytes hold 127 labels. */
const MAX_POINTERS = 127;
/** Stands in no label: the texts of two names are equal only when their labels are. */
const BETWEEN = '\u0100';

/** Why a message cannot be read. */
export class Malformed extends Error {}

export interface Name {
  readonly labels: readonly string[];
  /** The same for equal names: only A–Z are folded (RFC 4343 §3). */
  readonly key: string;
  /** Offset of the byte behind it, where it stands. */
  readonly end: number;
  /** Written out, the root's byte included. */
  readonly bytes: number;
  readonly pointers: number;
}

export class NameReader {
  /** Labels and pointers so far. */
  steps = 0;
  /** Some pointer leads back to a name that runs over the pointer itself: no earlier name, yet every reader reads the same. */
  isOverlapping = false;
  readonly #bytes: Uint8Array;
  /** Names by where they begin: many pointers lead to the same. */
  readonly #known = new Map<number, Name>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The name at `offset`, which may not reach `limit`. Throws Malformed. */
  read(offset: number, limit = this.#bytes.length, pointersBefore = 0): Name {
    if (pointersBefore > MAX_POINTERS) throw new Malformed('too many pointers');
    const known = this.#known.get(offset);
    if (known !== undefined && known.end <= limit) {
      this.steps++;
      return known;
    }
    const name = this.#readNew(offset, limit, pointersBefore);
    this.#known.set(offset, name);
    return name;
  }

  #readNew(offset: number, limit: number, pointersBefore: number): Name {
    const labels: string[] = [];
    let rest: Name | undefined;
    let bytes = 0;
    let at = offset;
    for (;;) {
      this.steps++;
      const length = this.#bytes[at];
      if (length === undefined || at >= limit) throw new Malformed('name over the end');
      if (length >= 0xc0) {
        const low = this.#bytes[at + 1];
        if (low === undefined || at + 1 >= limit) throw new Malformed('half a pointer');
        const target = ((length & 0x3f) << 8) | low;
        if (target < HEADER_BYTES) throw new Malformed('pointer into the header');
        if (target >= offset) throw new Malformed('pointer that does not lead back');
        rest = this.read(target, this.#bytes.length, pointersBefore + 1);
        if (rest.end > at) this.isOverlapping = true;
        at += 2;
        break;
      }
      if (length > 63) throw new Malformed('reserved type of label');
      at += 1 + length;
      if (at > limit) throw new Malformed('label over the end');
      bytes += 1 + length;
      if (length === 0) break;
      labels.push(Buffer.from(this.#bytes.subarray(at - length, at)).toString('latin1'));
    }
    const total = bytes + (rest?.bytes ?? 0);
    if (total > MAX_NAME_BYTES) throw new Malformed('name too long');
    const pointers = rest === undefined ? 0 : rest.pointers + 1;
    if (pointersBefore + pointers > MAX_POINTERS) throw new Malformed('too many pointers');
    const all = [...labels, ...(rest?.labels ?? [])];
    return { labels: all, key: nameKey(all), end: at, bytes: total, pointers };
  }
}

export function nameKey(labels: readonly string[]): string {
  return labels.join(BETWEEN).replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** For people. */
export function nameText(labels: readonly string[]): string {
  return labels.length === 0 ? '.' : labels.map((label) => JSON.stringify(label).slice(1, -1)).join('.');
}

/** Written out, in hexadecimal. */
export function nameHex(labels: readonly string[]): string {
  const all = labels.map((label) => `${label.length.toString(16).padStart(2, '0')}${hexOf(label)}`);
  return `${all.join('')}00`;
}

function hexOf(label: string): string {
  return Buffer.from(label, 'latin1').toString('hex');
}
