// What rdata must look like (RFC 1035 §3.3, RFC 3597 §4): fixed bytes and names for the types that are listed, addresses of their length
// in class IN, and any bytes for all other types.
import { Malformed, nameHex } from './name.ts';
import type { NameReader } from './name.ts';

const A = 1;
const AAAA = 28;
const CLASS_IN = 1;

/** `2` is two bytes, `n` a name, `s` a string with its length before it, `*` whatever is left. */
const SHAPES: Readonly<Record<number, readonly (number | 'n' | 's' | '*')[]>> = {
  2: ['n'], // NS
  3: ['n'], // MD
  4: ['n'], // MF
  5: ['n'], // CNAME
  6: ['n', 'n', 20], // SOA
  7: ['n'], // MB
  8: ['n'], // MG
  9: ['n'], // MR
  12: ['n'], // PTR
  14: ['n', 'n'], // MINFO
  15: [2, 'n'], // MX
  17: ['n', 'n'], // RP
  18: [2, 'n'], // AFSDB
  21: [2, 'n'], // RT
  24: [18, 'n', '*'], // SIG
  26: [2, 'n', 'n'], // PX
  30: ['n', '*'], // NXT
  33: [6, 'n'], // SRV
  35: [4, 's', 's', 's', 'n'], // NAPTR
  36: [2, 'n'], // KX
  39: ['n'], // DNAME
};

export interface RdataPlace {
  readonly type: number;
  readonly klass: number;
  readonly from: number;
  readonly to: number;
}

/** Hexadecimal, names written out. Throws Malformed. */
export function rdataText(bytes: Uint8Array, { type, klass, from, to }: RdataPlace, names: NameReader): string {
  const hex = (start: number, end: number): string => Buffer.from(bytes.subarray(start, end)).toString('hex');
  if (klass === CLASS_IN && type === A && to - from !== 4) throw new Malformed('A that has not four bytes');
  if (klass === CLASS_IN && type === AAAA && to - from !== 16) throw new Malformed('AAAA that has not sixteen bytes');
  const shape = SHAPES[type];
  if (shape === undefined) return hex(from, to);
  let text = '';
  let at = from;
  for (const part of shape) {
    if (part === 'n') {
      const name = names.read(at, to);
      text += nameHex(name.labels);
      at = name.end;
      continue;
    }
    const length = part === '*' ? to - at : part === 's' ? 1 + (bytes[at] ?? 0) : part;
    if (length < 0 || at + length > to) throw new Malformed('rdata is too short');
    text += hex(at, at + length);
    at += length;
  }
  if (at !== to) throw new Malformed('rdata is too long');
  return text;
}
