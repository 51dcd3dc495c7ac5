// Special-use names (IANA registry of RFC 6761): which are answered without asking anyone, and how. Names are folded, in plain wire form;
// what is decided here holds for every pod, whatever its policy says: such an answer opens nothing, and an upstream would learn from the
// question only what pods look for.
import { equalNames, parseNameText } from './name.ts';

/** How a name is answered. */
export const SPECIAL = {
  /** As every other name: policy, cache, upstream. */
  Ordinary: 0,
  /** A 127.0.0.1, AAAA ::1, no data of other types. */
  Loopback: 1,
  /** It exists and has no data. */
  NoData: 2,
  /** NXDOMAIN. */
  Unknown: 3,
  /** NXDOMAIN, unless an upstream is configured for a zone that it is in. */
  UnknownUnlessZone: 4,
} as const;

/** A zone stands for itself and everything below it, the longest one decides. */
const ZONES: readonly (readonly [zone: string, answer: number])[] = [
  // RFC 6761 §6.3: loopback addresses, never looked up.
  ['localhost', SPECIAL.Loopback],
  // RFC 6761 §6.4: known not to exist.
  ['invalid', SPECIAL.Unknown],
  // RFC 7686 §2: Tor's; a name that leaks must not reach an upstream.
  ['onion', SPECIAL.Unknown],
  // RFC 9476 §2: never delegated in the DNS; other systems use it.
  ['alt', SPECIAL.Unknown],
  // RFC 6761 §6.2: not in the global DNS, but private zones are made of it.
  ['test', SPECIAL.UnknownUnlessZone],
  // RFC 6762 §22.1: multicast DNS; caching servers answer NXDOMAIN. Some networks have unicast zones in it all the same,
  ['local', SPECIAL.UnknownUnlessZone],
  // and this one is Kubernetes', which may be served by the upstream of every other name.
  ['cluster.local', SPECIAL.Ordinary],
  // RFC 9462 §6.1: forwarded, it would lead clients past us, to the encrypted resolver of whoever answers.
  ['resolver.arpa', SPECIAL.NoData],
  // No RFC: the canary by which Firefox asks whether DNS over HTTPS by default is unwelcome.
  ['use-application-dns.net', SPECIAL.Unknown],
  // RFC 8880 §7.1: the addresses by which clients find NAT64 are for the upstream to give.
  ['ipv4only.arpa', SPECIAL.Ordinary],
  // RFC 8375 §4, RFC 6303: home networks and private reverse zones are served by the site's or the cluster's DNS, or by AS112.
  ['home.arpa', SPECIAL.Ordinary],
  ['in-addr.arpa', SPECIAL.Ordinary],
  ['ip6.arpa', SPECIAL.Ordinary],
  // RFC 6761 §6.5: resolvers make no difference. example.com and the like need no entry.
  ['example', SPECIAL.Ordinary],
  // iCloud Private Relay asks for these names: policy allows or denies them, and Apple takes NXDOMAIN for a no.
  ['mask.icloud.com', SPECIAL.Ordinary],
  ['mask-h2.icloud.com', SPECIAL.Ordinary],
];

interface SpecialZone {
  readonly wire: Uint8Array;
  readonly answer: number;
}

/** By the length of their wire form: most suffixes of most names have a length that none has. */
const zonesOfLength: readonly (readonly SpecialZone[])[] = Array.from({ length: 256 }, (_, length) =>
  ZONES.map(([zone, answer]) => ({ wire: parseNameText(zone) ?? new Uint8Array(0), answer })).filter(
    ({ wire }) => wire.length === length,
  ),
);

/** A code of SPECIAL for the name of `length` bytes from `start`. */
export function specialName(names: Uint8Array, start: number, length: number): number {
  // From label to label, so that the first zone found is the longest and none begins inside a label.
  for (let at = 0; at < length; at += 1 + names[start + at]!) {
    const left = length - at;
    const zones = zonesOfLength[left]!;
    for (let z = 0; z < zones.length; z++) {
      if (equalNames(zones[z]!.wire, 0, names, start + at, left)) return zones[z]!.answer;
    }
  }
  return SPECIAL.Ordinary;
}
