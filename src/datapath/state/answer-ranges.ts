// Which addresses of an answer a name may be granted: what is closed for every name, what `protect:` closes, and for which names some of that is
// open all the same (internal zones; rules whose policy says so). Asked of on the hot path: it must never allocate.
import { ADDRESS_BYTES, familyOf } from '../../base/ip.ts';
import { equalNames, foldName, parseNameText } from '../../dns/name.ts';
import { fixedRanges, openableRanges, RangeMatcher } from '../../kernel/protected.ts';
import type { ExtraRanges } from '../../kernel/protected.ts';
import type { InternalZone } from '../settings.ts';

/** What an address of an answer is. */
export const RANGE = {
  Open: 0,
  /** Granted by rules that open its range, and by no other. */
  Closed: 1,
  Never: 2,
} as const;

/** What a rule opens of the protected ranges, for addresses that it grants to this class. */
export interface Opening {
  readonly classIndex: number;
  readonly ranges: RangeMatcher;
}

/** In the place of a class: one of them, whichever. */
export const ANY_CLASS = -1;

/** 16 bytes each, from `addressesAt`. */
interface Addresses {
  readonly addresses: Uint8Array;
  readonly addressesAt: number;
  readonly addressCount: number;
}

interface Zone {
  /** Folded wire name. */
  readonly name: Uint8Array;
  readonly ranges: RangeMatcher;
}

/** What an IPv4 address behind NAT64 begins with: the well-known prefix (RFC 6052 §2.1), and the one for local use (RFC 8215). */
const NAT64 = Uint8Array.of(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0);
const NAT64_LOCAL = Uint8Array.of(0, 0x64, 0xff, 0x9b, 0, 1);

export class AnswerRanges {
  readonly #never: RangeMatcher;
  readonly #closed: RangeMatcher;
  readonly #zones: readonly Zone[];
  /** Zones that the name at hand is in, by their places. */
  readonly #its: Uint16Array;
  #count = 0;

  constructor(protect: ExtraRanges, zones: readonly InternalZone[] = []) {
    this.#never = new RangeMatcher(fixedRanges(protect));
    this.#closed = new RangeMatcher(openableRanges(protect));
    this.#zones = zones.map(({ zone, ranges }) => ({ name: wireName(zone), ranges: matcherOf(ranges) }));
    this.#its = new Uint16Array(zones.length);
  }

  /** What is asked next is about answers for this folded wire name. */
  about(names: Uint8Array, at: number, lengthBytes: number): void {
    this.#count = 0;
    for (let z = 0; z < this.#zones.length; z++) {
      if (isInZone(names, at, lengthBytes, this.#zones[z]!.name)) this.#its[this.#count++] = z;
    }
  }

  /** A code of RANGE for the 16 byte address at `at`. */
  judge(addresses: Uint8Array, at: number): number {
    if (this.#never.includes(addresses, at)) return RANGE.Never;
    if (!this.#closed.includes(addresses, at)) return RANGE.Open;
    for (let i = 0; i < this.#count; i++) {
      if (this.#zones[this.#its[i]!]!.ranges.includes(addresses, at)) return RANGE.Open;
    }
    return RANGE.Closed;
  }

  /** Whether a rule with these openings grants the address to the class. `about` was told of the name. */
  mayGrant(opens: readonly Opening[] | undefined, classIndex: number, addresses: Uint8Array, at: number): boolean {
    const range = this.judge(addresses, at);
    if (range !== RANGE.Closed || opens === undefined) return range === RANGE.Open;
    for (let i = 0; i < opens.length; i++) {
      const opening = opens[i]!;
      if (classIndex !== ANY_CLASS && opening.classIndex !== classIndex) continue;
      if (opening.ranges.includes(addresses, at)) return true;
    }
    return false;
  }
}

/** Matches what lies in any of these CIDRs, which were checked before. */
export function matcherOf(cidrs: readonly string[]): RangeMatcher {
  return new RangeMatcher(cidrs.map((cidr) => ({ cidr, reason: 'opened' })));
}

/** RFC 1918, ULA or CGNAT, also behind NAT64: what the audit calls private. */
export function isPrivate(addresses: Uint8Array, at: number): boolean {
  if (familyOf(addresses, at) === 6 && !isBehindNat64(addresses, at)) {
    return (addresses[at]! & 0xfe) === 0xfc;
  }
  const first = addresses[at + 12]!;
  const second = addresses[at + 13]!;
  return (
    first === 10 ||
    (first === 172 && (second & 0xf0) === 16) ||
    (first === 192 && second === 168) ||
    (first === 100 && (second & 0xc0) === 64)
  );
}

function isBehindNat64(addresses: Uint8Array, at: number): boolean {
  return (
    equalNames(addresses, at, NAT64, 0, NAT64.length) || equalNames(addresses, at, NAT64_LOCAL, 0, NAT64_LOCAL.length)
  );
}

/** Whether one of these is. */
export function arePrivate({ addresses, addressesAt, addressCount }: Addresses): boolean {
  for (let i = 0, at = addressesAt; i < addressCount; i++, at += ADDRESS_BYTES) {
    if (isPrivate(addresses, at)) return true;
  }
  return false;
}

/** The zone itself, and every name below it; a zone begins with a label, never inside one. */
function isInZone(names: Uint8Array, at: number, lengthBytes: number, zone: Uint8Array): boolean {
  const start = lengthBytes - zone.length;
  let label = 0;
  while (label < start) label += 1 + names[at + label]!;
  return label === start && equalNames(names, at + start, zone, 0, zone.length);
}

function wireName(zone: string): Uint8Array {
  const name = parseNameText(zone);
  if (name === undefined) throw new Error(`Cannot use internal zone "${zone}": it was to be checked before`);
  foldName(name, 0, name.length);
  return name;
}
