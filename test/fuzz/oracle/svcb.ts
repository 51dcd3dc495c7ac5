// The rdata of SVCB and HTTPS records (RFC 9460 §2.2): a priority, a name that is never compressed, and parameters in ascending order.
import type { AddressHex } from './addresses.ts';
import { Malformed } from './name.ts';

const MANDATORY = 0;
const HINT_BYTES = new Map([
  [4, 4],
  [6, 16],
]);

export interface Service {
  readonly isAlias: boolean;
  readonly hints: AddressHex[];
  /** Everything but the hints, and what is said of them to be mandatory; hexadecimal. */
  readonly rest: string;
}

/** Throws Malformed. */
export function readHints(rdata: Uint8Array): Service {
  const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
  const hints: AddressHex[] = [];
  let at = 2;
  for (let bytes = 0; ;) {
    const length = rdata[at];
    if (length === undefined || length > 63) throw new Malformed('target name');
    at += 1 + length;
    bytes += 1 + length;
    if (bytes > 255 || at > rdata.length) throw new Malformed('target name');
    if (length === 0) break;
  }
  let rest = hexOf(rdata.subarray(0, at));
  for (let before = -1; at < rdata.length;) {
    if (at + 4 > rdata.length) throw new Malformed('piece of a parameter');
    const key = view.getUint16(at);
    const end = at + 4 + view.getUint16(at + 2);
    if (key <= before) throw new Malformed('parameters out of order');
    if (end > rdata.length) throw new Malformed('parameter over the end');
    const size = HINT_BYTES.get(key);
    if (size !== undefined && (end === at + 4 || (end - at - 4) % size !== 0)) throw new Malformed('piece of a hint');
    if (size !== undefined) hints.push(...pieces(rdata.subarray(at + 4, end), size));
    else if (key !== MANDATORY) rest += hexOf(rdata.subarray(at, end));
    before = key;
    at = end;
  }
  return { isAlias: view.getUint16(0) === 0, hints, rest };
}

function pieces(bytes: Uint8Array, size: number): AddressHex[] {
  const count = bytes.length / size;
  return Array.from({ length: count }, (_, i) => hexOf(bytes.subarray(i * size, (i + 1) * size)));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
