// One connection as ctnetlink tells it (linux/netfilter/nfnetlink_conntrack.h): what its attributes mean. Knows no socket.
import type { Family } from '../base/ip.ts';
import { AF_INET, AF_INET6 } from '../sys/packet-batch.ts';
import { aligned, ATTRIBUTE_BYTES } from './netlink.ts';
import { find, readAddress, readU16, readU32, readU64, readU8 } from './netlink-attributes.ts';
import type { Span } from './netlink-attributes.ts';

export const NFNL_SUBSYS_CTNETLINK = 1;
export const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_MARK = 8;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_TIMESTAMP = 20;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_TUPLE_ZONE = 3;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_COUNTERS_PACKETS = 1;
const CTA_COUNTERS_BYTES = 2;
const CTA_TIMESTAMP_START = 1;
const CTA_TIMESTAMP_STOP = 2;
/** TCP, UDP, DCCP, SCTP, UDP-Lite. The kernel gives GRE's keys as ports, too. */
const PROTOCOLS_WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];
/** Those of IPv6 take 104; a request has room for this. */
const MAX_KEY_BYTES = 512;

/** Addresses in 16 byte form (base/ip.ts); ports in host order, 0 where the protocol has none. */
export interface Tuple {
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of this direction alone; 0 for most. */
  readonly zone: number;
}

/** `source` asked for `destination`; after translation its packets go to `replySource`, which is what policy judges. */
export interface Flow extends Tuple {
  readonly family: Family;
  readonly replySource: Uint8Array;
  readonly replySourcePort: number;
  readonly replyDestination: Uint8Array;
  readonly replyDestinationPort: number;
  /** Of the tuple and of the entry's place in memory (nf_ct_get_id): seldom the same for a later connection of the same tuple. */
  readonly id: number;
  readonly mark: number;
  /** IPS_* of linux/netfilter/nf_conntrack_common.h. */
  readonly status: number;
  /** Undefined unless net.netfilter.nf_conntrack_acct was on when it began, and in events of new ones. */
  readonly originalPackets: number | undefined;
  readonly originalBytes: number | undefined;
  readonly replyPackets: number | undefined;
  readonly replyBytes: number | undefined;
  /** Undefined unless net.netfilter.nf_conntrack_timestamp was on when it began; the end is in events of destroyed ones. */
  readonly startedWallMs: number | undefined;
  readonly endedWallMs: number | undefined;
  /** CTA_TUPLE_ORIG, CTA_ZONE and CTA_ID as the kernel wrote them, with what has no place above (ICMP's ids): name it in a request. */
  readonly key: Uint8Array;
}

/** `family` is that of struct nfgenmsg. Undefined when the attributes do not tell both tuples and the id. */
export function readFlow(family: number, attributes: Span): Flow | undefined {
  const names = [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID].map((type) => find(attributes, type));
  const original = readTuple(names[0]);
  const reply = readTuple(find(attributes, CTA_TUPLE_REPLY));
  const id = readU32(names[2]);
  const key = copyOf(names);
  if (original === undefined || reply === undefined || id === undefined) return undefined;
  if (key.length > MAX_KEY_BYTES || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const sent = find(attributes, CTA_COUNTERS_ORIG);
  const received = find(attributes, CTA_COUNTERS_REPLY);
  const times = find(attributes, CTA_TIMESTAMP);
  return {
    ...original,
    family: family === AF_INET ? 4 : 6,
    replySource: reply.source,
    replySourcePort: reply.sourcePort,
    replyDestination: reply.destination,
    replyDestinationPort: reply.destinationPort,
    id,
    zone: readU16(names[1]) ?? original.zone,
    mark: readU32(find(attributes, CTA_MARK)) ?? 0,
    status: readU32(find(attributes, CTA_STATUS)) ?? 0,
    originalPackets: readCount(find(sent, CTA_COUNTERS_PACKETS)),
    originalBytes: readCount(find(sent, CTA_COUNTERS_BYTES)),
    replyPackets: readCount(find(received, CTA_COUNTERS_PACKETS)),
    replyBytes: readCount(find(received, CTA_COUNTERS_BYTES)),
    startedWallMs: readWallMs(find(times, CTA_TIMESTAMP_START)),
    endedWallMs: readWallMs(find(times, CTA_TIMESTAMP_STOP)),
    key,
  };
}

/** The value of CTA_TUPLE_*. Undefined without two addresses of one family and a protocol. */
export function readTuple(value: Span | undefined): Tuple | undefined {
  const ip = find(value, CTA_TUPLE_IP);
  const proto = find(value, CTA_TUPLE_PROTO);
  const source = readAddress(find(ip, CTA_IP_V4_SRC) ?? find(ip, CTA_IP_V6_SRC));
  const destination = readAddress(find(ip, CTA_IP_V4_DST) ?? find(ip, CTA_IP_V6_DST));
  const protocol = readU8(find(proto, CTA_PROTO_NUM));
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  const hasPorts = PROTOCOLS_WITH_PORTS.includes(protocol);
  return {
    protocol,
    source,
    destination,
    sourcePort: hasPorts ? (readU16(find(proto, CTA_PROTO_SRC_PORT)) ?? 0) : 0,
    destinationPort: hasPorts ? (readU16(find(proto, CTA_PROTO_DST_PORT)) ?? 0) : 0,
    zone: readU16(find(value, CTA_TUPLE_ZONE)) ?? 0,
  };
}

/** Exact below 2^53. */
function readCount(value: Span | undefined): number | undefined {
  const count = readU64(value);
  return count === undefined ? undefined : Number(count);
}

/** The kernel gives nanoseconds. */
function readWallMs(value: Span | undefined): number | undefined {
  const nanoseconds = readU64(value);
  return nanoseconds === undefined ? undefined : Number(nanoseconds / 1_000_000n);
}

/** These attributes with their headers, one after the other. */
function copyOf(values: readonly (Span | undefined)[]): Uint8Array {
  const present = values.filter((value) => value !== undefined);
  const lengths = present.map(({ from, to }) => aligned(ATTRIBUTE_BYTES + to - from));
  const copy = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const [i, { view, from, to }] of present.entries()) {
    const start = from - ATTRIBUTE_BYTES;
    copy.set(new Uint8Array(view.buffer, view.byteOffset + start, to - start), at);
    at += lengths[i] ?? 0;
  }
  return copy;
}
