// Addresses that no answer ever opens (design §4, "Never granted"), as data with the reason for each, for the ruleset and for the data
// plane. An address reached through NAT64 or ISATAP is judged by the IPv4 address inside it, too.
import { CodedError } from '../base/errors.ts';
import { ADDRESS_BYTES, familyOf, parseAddress } from '../base/ip.ts';

/** A CIDR and why it is closed; the reason goes into audit events. */
export interface ProtectedRange {
  readonly cidr: string;
  readonly reason: string;
}

/** A CIDR that cannot be read. */
export class CidrError extends CodedError<'bad-cidr'> {}

/** Ranges closed everywhere, whatever the configuration. */
export const NEVER_GRANTED: readonly ProtectedRange[] = [
  { cidr: '0.0.0.0/8', reason: 'unspecified' }, // 0.0.0.0 reaches loopback (V10)
  { cidr: '127.0.0.0/8', reason: 'loopback' },
  // Metadata of most clouds: .169.254 of nearly all; .169.253 and .170.2, .170.23 (AWS), .42.42 (Scaleway), .0.23 (Tencent Cloud).
  { cidr: '169.254.0.0/16', reason: 'link-local' },
  { cidr: '100.100.100.200/32', reason: 'metadata' }, // Alibaba Cloud
  { cidr: '168.63.129.16/32', reason: 'metadata' }, // Azure wire server, a public address
  { cidr: '192.0.0.192/32', reason: 'metadata' }, // Oracle Cloud
  { cidr: '224.0.0.0/4', reason: 'multicast' },
  { cidr: '240.0.0.0/4', reason: 'reserved' }, // 255.255.255.255, the broadcast address, among them
  { cidr: '::/96', reason: 'embedded-ipv4' }, // ::, ::1 and the deprecated ::a.b.c.d
  { cidr: '::ffff:0:0/96', reason: 'embedded-ipv4' }, // leaves as IPv4 (V10)
  { cidr: '::ffff:0:0:0/96', reason: 'embedded-ipv4' }, // RFC 2765
  { cidr: '2001::/32', reason: 'teredo' },
  { cidr: '2002::/16', reason: '6to4' },
  { cidr: 'fd00:42::42/128', reason: 'metadata' }, // Scaleway
  { cidr: 'fd00:c1::a9fe:a9fe/128', reason: 'metadata' }, // Oracle Cloud
  { cidr: 'fd00:100::100:200/128', reason: 'metadata' }, // Alibaba Cloud
  { cidr: 'fd00:ec2::23/128', reason: 'metadata' }, // AWS EKS Pod Identity
  { cidr: 'fd00:ec2::254/128', reason: 'metadata' }, // AWS
  { cidr: 'fd00:a9fe:a9fe::1/128', reason: 'metadata' }, // Akamai
  { cidr: 'fd20:ce::254/128', reason: 'metadata' }, // Google Cloud
  { cidr: 'fe80::/10', reason: 'link-local' }, // OpenStack's fe80::a9fe:a9fe among them
  { cidr: 'fec0::/10', reason: 'reserved' }, // site-local, RFC 3879
  { cidr: 'ff00::/8', reason: 'multicast' },
];

/** Ranges that are granted by default and audited as `private-address`; each name may be given to `protect:`. */
export const PRIVATE_RANGES = {
  rfc1918: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  ula: ['fc00::/7'],
  cgnat: ['100.64.0.0/10'],
} as const;

export type PrivateRange = keyof typeof PRIVATE_RANGES;

/** Where NAT64 puts IPv4 addresses: the well-known prefix (RFC 6052), and the one for local use (RFC 8215), inside which sites choose. */
export const NAT64_RANGES = ['64:ff9b::/96', '64:ff9b:1::/48'] as const;
/** Prefixes of 96 bits in these: the IPv4 address is the last four bytes. */
const NAT64_PREFIXES = ['64:ff9b::', '64:ff9b:1::'];

/** An IPv4 CIDR once more, as it is written behind NAT64. */
export function behindNat64(cidr: string): string[] {
  const [address = '', length = '32'] = cidr.split('/', 2);
  return NAT64_PREFIXES.map((prefix) => `${prefix}${address}/${96 + Number(length)}`);
}

/** Reason of a CIDR that `protect:` lists: of these, and of PRIVATE_RANGES, some names may be granted addresses all the same. */
export const CONFIGURED = 'configured';

/** What the configuration closes beside NEVER_GRANTED. */
export interface ExtraRanges {
  readonly protect: readonly PrivateRange[];
  /** What is listed, with the reason CONFIGURED; with another one Service range, node addresses and pod range of the cluster. */
  readonly cidrs: readonly ProtectedRange[];
}

/** The configuration's `protect:` list, names of PRIVATE_RANGES and CIDRs mixed. */
export function extraRanges(protect: readonly string[]): ExtraRanges {
  return {
    protect: protect.filter(isPrivateRange),
    cidrs: protect.filter((text) => !isPrivateRange(text)).map((cidr) => ({ cidr, reason: CONFIGURED })),
  };
}

/** Everything that is closed. */
export function protectedRanges(extra: ExtraRanges): readonly ProtectedRange[] {
  return [...NEVER_GRANTED, ...named(extra), ...extra.cidrs];
}

/** What is closed for every name: NEVER_GRANTED and the cluster's own ranges. */
export function fixedRanges({ cidrs }: ExtraRanges): readonly ProtectedRange[] {
  return [...NEVER_GRANTED, ...cidrs.filter(({ reason }) => reason !== CONFIGURED)];
}

/** What `protect:` closes, and what some names may be granted all the same (opened-ranges.ts). */
export function openableRanges(extra: ExtraRanges): readonly ProtectedRange[] {
  return [...named(extra), ...extra.cidrs.filter(({ reason }) => reason === CONFIGURED)];
}

function named({ protect }: ExtraRanges): readonly ProtectedRange[] {
  return protect.flatMap((name) => PRIVATE_RANGES[name].map((cidr) => ({ cidr, reason: name })));
}

/** First and last address of a CIDR, 16 byte form. An address alone is a range of one. */
export interface AddressRange {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

/** Throws CidrError `bad-cidr`. Bits behind the prefix are ignored. ::ffff:a.b.c.d/n is read as IPv6, never as IPv4. */
export function parseCidr(cidr: string): AddressRange {
  const [text = '', lengthText] = cidr.split('/', 2);
  const first = parseAddress(text);
  const offset = text.includes(':') ? 0 : 96;
  const prefix = lengthText === undefined ? 128 - offset : Number(lengthText);
  const valid = lengthText === undefined || (lengthText !== '' && Number.isInteger(prefix));
  if (first === undefined || !valid || prefix < 0 || prefix + offset > 128) {
    throw new CidrError('bad-cidr', `Cannot read "${cidr}" as an address or CIDR`);
  }
  const last = first.slice();
  for (let bit = prefix + offset; bit < 128; bit++) {
    const mask = 0x80 >> (bit & 7);
    first[bit >> 3] = (first[bit >> 3] ?? 0) & ~mask;
    last[bit >> 3] = (last[bit >> 3] ?? 0) | mask;
  }
  return { first, last };
}

const NAT64 = parseCidr(NAT64_RANGES[0]).first;
const NAT64_LOCAL = parseCidr(NAT64_RANGES[1]).first;
/** Where the bytes of the IPv4 address stand behind prefixes of 48, 56 and 64 bits (RFC 6052 §2.2): byte 8 is not used. */
const PLACES: readonly Places[] = [
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
];
const LAST_FOUR: Places = [12, 13, 14, 15];

type Places = readonly [number, number, number, number];

/**
 * Looks addresses up in a list of ranges without allocating. For a record's own bytes: an AAAA record of ::ffff:a.b.c.d has the same 16
 * bytes as an A record of a.b.c.d, so whoever reads AAAA records must refuse that form before asking here.
 */
export class RangeMatcher {
  readonly #reasons: readonly string[];
  /** first and last address of range i side by side: 32 bytes each. Those of IPv4 come first. */
  readonly #bounds: Uint8Array;
  readonly #ipv4Count: number;
  readonly #embedded = new Uint8Array(ADDRESS_BYTES);

  constructor(ranges: readonly ProtectedRange[]) {
    const usable = ranges.filter(({ cidr }) => !isMappedCidr(cidr));
    const ordered = [
      ...usable.filter(({ cidr }) => isIPv4Cidr(cidr)),
      ...usable.filter(({ cidr }) => !isIPv4Cidr(cidr)),
    ];
    this.#ipv4Count = usable.filter(({ cidr }) => isIPv4Cidr(cidr)).length;
    this.#reasons = ordered.map(({ reason }) => reason);
    this.#bounds = new Uint8Array(ordered.length * 2 * ADDRESS_BYTES);
    ordered.forEach(({ cidr }, i) => {
      const { first, last } = parseCidr(cidr);
      this.#bounds.set(first, i * 2 * ADDRESS_BYTES);
      this.#bounds.set(last, i * 2 * ADDRESS_BYTES + ADDRESS_BYTES);
    });
    this.#embedded[10] = this.#embedded[11] = 0xff;
  }

  /** Index of the first range that holds the 16 byte address at `offset`, or -1. */
  indexOf(address: Uint8Array, offset: number): number {
    if (familyOf(address, offset) === 4) return this.#search(address, offset, 0, this.#ipv4Count);
    const embedded = this.#embeddedIndexOf(address, offset);
    return embedded >= 0 ? embedded : this.#search(address, offset, this.#ipv4Count, this.#reasons.length);
  }

  includes(address: Uint8Array, offset: number): boolean {
    return this.indexOf(address, offset) >= 0;
  }

  /** Why the range with this index is closed. */
  reason(index: number): string | undefined {
    return this.#reasons[index];
  }

  /** The same for an IPv4 address inside an IPv6 one. */
  #embeddedIndexOf(address: Uint8Array, offset: number): number {
    if (isWithin(address, offset, NAT64, 0, 12) || isIsatap(address, offset))
      return this.#indexAt(address, offset, LAST_FOUR);
    if (!isWithin(address, offset, NAT64_LOCAL, 0, 6)) return -1;
    // Nobody says how long the site's own prefix is. Zeros and ones at the places of a short one are bits of a long one.
    for (let p = 0; p < PLACES.length; p++) {
      const places = PLACES[p] ?? LAST_FOUR;
      const first = address[offset + places[0]] ?? 0;
      const found = first === 0 || first >= 240 ? -1 : this.#indexAt(address, offset, places);
      if (found >= 0) return found;
    }
    return this.#indexAt(address, offset, LAST_FOUR);
  }

  #indexAt(address: Uint8Array, offset: number, [a, b, c, d]: Places): number {
    this.#embedded[12] = address[offset + a] ?? 0;
    this.#embedded[13] = address[offset + b] ?? 0;
    this.#embedded[14] = address[offset + c] ?? 0;
    this.#embedded[15] = address[offset + d] ?? 0;
    return this.#search(this.#embedded, 0, 0, this.#ipv4Count);
  }

  #search(address: Uint8Array, offset: number, from: number, to: number): number {
    for (let i = from; i < to; i++) {
      const first = i * 2 * ADDRESS_BYTES;
      if (compare(address, offset, this.#bounds, first) < 0) continue;
      if (compare(address, offset, this.#bounds, first + ADDRESS_BYTES) <= 0) return i;
    }
    return -1;
  }
}

export function isPrivateRange(text: string): text is PrivateRange {
  return Object.hasOwn(PRIVATE_RANGES, text);
}

export function isIPv4Cidr(cidr: string): boolean {
  return !cidr.includes(':');
}

/** ::ffff:0:0/96 and what lies in it: in 16 byte form that would be all of IPv4. */
function isMappedCidr(cidr: string): boolean {
  if (isIPv4Cidr(cidr)) return false;
  const { first, last } = parseCidr(cidr);
  return familyOf(first) === 4 && familyOf(last) === 4;
}

/** RFC 5214 §6.1: an interface identifier that tells a tunnel which IPv4 address to send to, under any prefix. */
function isIsatap(address: Uint8Array, offset: number): boolean {
  return (
    address[offset + 10] === 0x5e &&
    address[offset + 11] === 0xfe &&
    address[offset + 9] === 0 &&
    ((address[offset + 8] ?? 0) & 0xfd) === 0
  );
}

function isWithin(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number, lengthBytes: number): boolean {
  for (let i = 0; i < lengthBytes; i++) if (a[aOffset + i] !== b[bOffset + i]) return false;
  return true;
}

function compare(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
  for (let i = 0; i < ADDRESS_BYTES; i++) {
    const difference = (a[aOffset + i] ?? 0) - (b[bOffset + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
