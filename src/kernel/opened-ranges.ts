// What some names may be granted although `protect:` closes it (internal zones, the annotation of a policy): how such a range is written, and
// what stays closed in the kernel, which knows no names. Never opens what is closed everywhere, nor the cluster's own ranges.
import { formatAddress } from '../base/ip.ts';
import { behindNat64, fixedRanges, isIPv4Cidr, isPrivateRange, NAT64_RANGES, NEVER_GRANTED } from './protected.ts';
import { openableRanges, parseCidr, PRIVATE_RANGES } from './protected.ts';
import type { AddressRange, ExtraRanges, ProtectedRange } from './protected.ts';

export type OpenedRange =
  { readonly ok: true; readonly cidrs: readonly string[] } | { readonly ok: false; readonly why: string };

/**
 * Reads `ADDRESS/LENGTH` or a name of PRIVATE_RANGES. A CIDR that touches what is closed everywhere is refused; the metadata addresses inside
 * `ula` and `cgnat` stay closed, whoever names these.
 */
export function readOpenedRange(text: string): OpenedRange {
  if (isPrivateRange(text)) return { ok: true, cidrs: PRIVATE_RANGES[text] };
  if (!isWritten(text)) {
    return { ok: false, why: `is neither ${Object.keys(PRIVATE_RANGES).join(', ')} nor a CIDR such as 10.20.0.0/16` };
  }
  const nat64 = NAT64_RANGES.find((cidr) => touches(text, cidr));
  if (nat64 !== undefined) {
    return { ok: false, why: `touches ${nat64}: write the IPv4 range, which holds behind NAT64, too` };
  }
  const closed = NEVER_GRANTED.find(({ cidr }) => touches(text, cidr));
  if (closed === undefined) return { ok: true, cidrs: [text] };
  return { ok: false, why: `touches ${closed.cidr} (${closed.reason}), which no name opens` };
}

/** What the kernel closes before it looks at grants: everything that is protected but for the CIDRs `opened`, which the data plane opens name by name. */
export function kernelRanges(extra: ExtraRanges, opened: readonly string[]): readonly ProtectedRange[] {
  const holes = opened.flatMap((cidr) => (isIPv4Cidr(cidr) ? [cidr, ...behindNat64(cidr)] : [cidr]));
  const rest = openableRanges(extra).flatMap(({ cidr, reason }) => {
    const left = holes.reduce<readonly string[]>((parts, hole) => parts.flatMap((part) => without(part, hole)), [cidr]);
    return left.map((part) => ({ cidr: part, reason }));
  });
  return [...fixedRanges(extra), ...rest];
}

/** The parts of a CIDR outside another one: either one lies in the other, or they have nothing in common. */
function without(cidr: string, hole: string): string[] {
  if (!touches(cidr, hole)) return [cidr];
  if (isInside(parseCidr(cidr), parseCidr(hole))) return [];
  return halves(cidr).flatMap((half) => without(half, hole));
}

/** No half begins in ::ffff:0:0/96, which would be written as IPv4: that takes a hole near it, and such a hole is refused. */
function halves(cidr: string): string[] {
  const { first } = parseCidr(cidr);
  const [widthBits, offset] = isIPv4Cidr(cidr) ? [32, 96] : [128, 0];
  const length = Number(cidr.split('/', 2)[1] ?? widthBits);
  const second = first.slice();
  const bit = offset + length;
  second[bit >> 3] = (second[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return [first, second].map((address) => `${formatAddress(address)}/${length + 1}`);
}

function touches(a: string, b: string): boolean {
  if (isIPv4Cidr(a) !== isIPv4Cidr(b)) return false;
  const [left, right] = [parseCidr(a), parseCidr(b)];
  return isInside(left, right) || isInside(right, left);
}

function isInside(inner: AddressRange, outer: AddressRange): boolean {
  return Buffer.compare(inner.first, outer.first) >= 0 && Buffer.compare(inner.last, outer.last) <= 0;
}

function isWritten(text: string): boolean {
  if (!/^[0-9a-fA-F:.]+\/\d{1,3}$/.test(text)) return false;
  try {
    parseCidr(text);
    return true;
  } catch {
    return false; // its CidrError says no more than this
  }
}
