// The headers of a logged packet, of which the first bytes are there. Hostile bytes: every length is checked, nothing throws, and what cannot be
// read is left out rather than guessed, so that no trick with headers hides who sent to whom.
import type { Family } from '../base/ip.ts';
import { readAddress } from './netlink-attributes.ts';
import type { Span } from './netlink-attributes.ts';

const TCP = 6;
const UDP = 17;
const DCCP = 33;
const SCTP = 132;
const UDP_LITE = 136;
const PORTS: readonly number[] = [TCP, UDP, DCCP, SCTP, UDP_LITE];
const ICMP = 1;
const ICMPV6 = 58;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
/** RFC 8200 §4.1 has no use for more than six. What is not walked is named by the header where the walk ended. */
const MAX_EXTENSION_HEADERS = 8;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

export interface PacketHeaders {
  readonly family: Family;
  /** Of the last header that could be reached. */
  readonly protocol: number;
  /** 16 byte form (base/ip.ts). */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** 0 where the protocol has none, in later fragments, and in packets that end before them. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of ICMP and ICMPv6. */
  readonly icmpType: number | undefined;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  readonly tcpFlags: number | undefined;
  /** The first fragment is one, too. */
  readonly isFragment: boolean;
}

/** Where the walk through the headers has come to. */
interface Place {
  readonly protocol: number;
  /** -1: its header is not there. */
  readonly at: number;
  readonly isFragment: boolean;
}

/** Undefined when it is neither IPv4 nor IPv6, or ends before its addresses do. */
export function readHeaders(packet: Span): PacketHeaders | undefined {
  const { view, from, to } = packet;
  const version = to > from ? view.getUint8(from) >> 4 : 0;
  if (version === 4 && to - from >= IPV4_HEADER_BYTES) {
    const source = readAddress({ view, from: from + 12, to: from + 16 });
    const destination = readAddress({ view, from: from + 16, to: from + 20 });
    return source && destination && { family: 4, source, destination, ...readTransport(packet, walkIPv4(packet)) };
  }
  if (version === 6 && to - from >= IPV6_HEADER_BYTES) {
    const source = readAddress({ view, from: from + 8, to: from + 24 });
    const destination = readAddress({ view, from: from + 24, to: from + 40 });
    return source && destination && { family: 6, source, destination, ...readTransport(packet, walkIPv6(packet)) };
  }
  return undefined;
}

function walkIPv4({ view, from }: Span): Place {
  const headerBytes = (view.getUint8(from) & 15) * 4;
  const fragment = view.getUint16(from + 6);
  const offset = fragment & 0x1fff;
  const moreFollow = (fragment & 0x2000) !== 0;
  const at = offset === 0 && headerBytes >= IPV4_HEADER_BYTES ? from + headerBytes : -1;
  return { protocol: view.getUint8(from + 9), at, isFragment: offset !== 0 || moreFollow };
}

function walkIPv6({ view, from, to }: Span): Place {
  let protocol = view.getUint8(from + 6);
  let at = from + IPV6_HEADER_BYTES;
  let isFragment = false;
  for (let walked = 0; isExtension(protocol); walked++) {
    // All extension headers but two say their length in units of 8 bytes beyond the first 8 (RFC 8200 §4); of a fragment it is 8.
    if (walked === MAX_EXTENSION_HEADERS || at + 8 > to) return { protocol, at: -1, isFragment };
    let lengthBytes = (view.getUint8(at + 1) + 1) * 8;
    if (protocol === AUTHENTICATION) lengthBytes = (view.getUint8(at + 1) + 2) * 4; // RFC 4302 §2.2
    if (protocol === FRAGMENT) {
      lengthBytes = 8;
      isFragment = true;
      const offset = view.getUint16(at + 2) >> 3;
      if (offset !== 0) return { protocol: view.getUint8(at), at: -1, isFragment };
    }
    protocol = view.getUint8(at);
    at += lengthBytes;
  }
  return { protocol, at, isFragment };
}

function isExtension(protocol: number): boolean {
  return [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS].includes(protocol);
}

function readTransport({ view, to }: Span, { protocol, at, isFragment }: Place) {
  const has = (bytes: number): boolean => at >= 0 && at + bytes <= to;
  const hasPorts = PORTS.includes(protocol) && has(4);
  const isIcmp = protocol === ICMP || protocol === ICMPV6;
  return {
    protocol,
    isFragment,
    sourcePort: hasPorts ? view.getUint16(at) : 0,
    destinationPort: hasPorts ? view.getUint16(at + 2) : 0,
    icmpType: isIcmp && has(1) ? view.getUint8(at) : undefined,
    tcpFlags: protocol === TCP && has(14) ? view.getUint8(at + 13) & 0x3f : undefined,
  };
}
