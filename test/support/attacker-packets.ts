// Packets as an attacker with a raw socket writes them: IPv4 and IPv6 headers, transports with right checksums, fragments, extension headers.
// Nothing here asks whether the packet makes sense.
import { familyOf, parseAddress } from '../../src/base/ip.ts';

export const PROTOCOL = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  icmp6: 58,
  sctp: 132,
};
/** RFC 9293 §3.1. */
export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 };

export interface Ends {
  readonly from: string;
  readonly to: string;
}
export interface Ports {
  readonly source: number;
  readonly port: number;
}
/** Offset in bytes, a multiple of 8. */
export interface Piece {
  readonly offset: number;
  readonly more: boolean;
  readonly id: number;
}

/** An IP packet of the family of its addresses. */
export function ip(ends: Ends, protocol: number, payload: Uint8Array): Buffer {
  return isIPv4(ends) ? ipv4(ends, protocol, payload) : ipv6(ends, protocol, payload);
}

/** `options` is a multiple of 4 bytes. */
export function ipv4(
  ends: Ends,
  protocol: number,
  payload: Uint8Array,
  options: Uint8Array = Buffer.alloc(0),
  piece?: Piece,
): Buffer {
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(piece?.id ?? 0, 4);
  header.writeUInt16BE((piece?.more === true ? 0x2000 : 0) | ((piece?.offset ?? 0) / 8), 6);
  header[8] = 64;
  header[9] = protocol;
  header.set(bytesOf(ends.from), 12);
  header.set(bytesOf(ends.to), 16);
  header.set(options, 20);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

export function ipv6(ends: Ends, next: number, payload: Uint8Array, hopLimit = 64): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length, 4);
  header[6] = next;
  header[7] = hopLimit;
  header.set(bytesOf(ends.from), 8);
  header.set(bytesOf(ends.to), 24);
  return Buffer.concat([header, payload]);
}

export function tcp(ends: Ends, { source, port }: Ports, flags: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const segment = Buffer.alloc(20 + data.length);
  segment.writeUInt16BE(source, 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt32BE(1_000, 4);
  segment[12] = 0x50;
  segment[13] = flags;
  segment.writeUInt16BE(64_240, 14);
  segment.set(data, 20);
  segment.writeUInt16BE(transportChecksum(ends, PROTOCOL.tcp, segment), 16);
  return segment;
}

export function udp(ends: Ends, { source, port }: Ports, payload: Uint8Array = Buffer.from('datagram')): Buffer {
  const datagram = Buffer.alloc(8 + payload.length);
  datagram.writeUInt16BE(source, 0);
  datagram.writeUInt16BE(port, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  datagram.set(payload, 8);
  datagram.writeUInt16BE(transportChecksum(ends, PROTOCOL.udp, datagram), 6);
  return datagram;
}

/** Of either family; `rest` begins behind the checksum. */
export function icmp(ends: Ends, type: number, code: number, rest: Uint8Array): Buffer {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
  const sum = isIPv4(ends) ? checksum(message) : transportChecksum(ends, PROTOCOL.icmp6, message);
  message.writeUInt16BE(sum, 2);
  return message;
}

/** INIT chunk (RFC 9260 §3.3.2) with the CRC32c left zero: conntrack checks it, a firewall must not need it. */
export function sctpInit({ source, port }: Ports): Buffer {
  const packet = Buffer.alloc(32);
  packet.writeUInt16BE(source, 0);
  packet.writeUInt16BE(port, 2);
  packet[12] = 1;
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(1, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  return packet;
}

/** Hop-by-hop or destination options (RFC 8200 §4.3) that are padding. */
export function options6(next: number): Buffer {
  return Buffer.from([next, 0, 1, 4, 0, 0, 0, 0]);
}

/** Routing header of type 0 (RFC 5095 deprecates it) with one more hop. */
export function routing0(next: number, hop: string): Buffer {
  return Buffer.concat([Buffer.from([next, 2, 0, 1, 0, 0, 0, 0]), bytesOf(hop)]);
}

/** Fragment header (RFC 8200 §4.5). */
export function fragment6(next: number, { offset, more, id }: Piece): Buffer {
  const header = Buffer.alloc(8);
  header[0] = next;
  header.writeUInt16BE(offset | (more ? 1 : 0), 2);
  header.writeUInt32BE(id, 4);
  return header;
}

/** Loose (131) or strict (137) source route (RFC 791 §3.1) with one more hop, padded to 8 bytes. */
export function sourceRoute(kind: 131 | 137, hop: string): Buffer {
  return Buffer.concat([Buffer.from([kind, 7, 4]), bytesOf(hop), Buffer.from([0])]);
}

export function bytesOf(address: string): Uint8Array {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new Error(`"${address}" is not an address`);
  return familyOf(bytes) === 4 ? bytes.subarray(12) : bytes;
}

function isIPv4({ to }: Ends): boolean {
  return !to.includes(':');
}

/** Over the pseudo header, too (RFC 9293 §3.1, RFC 8200 §8.1). */
function transportChecksum({ from, to }: Ends, protocol: number, segment: Uint8Array): number {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(segment.length);
  return checksum(Buffer.concat([bytesOf(from), bytesOf(to), length, Buffer.from([0, 0, 0, protocol]), segment]));
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
