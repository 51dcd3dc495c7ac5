// Packets that rules have logged to our group (nfnetlink_log), read on a timer: who sent what to whom, and the rule's prefix. A packet that
// cannot be read is counted, and so is one that the kernel could not hand over; nothing in a packet makes this throw.
import type { Sys } from '../sys/sys.ts';
import { CTA_TUPLE_ORIG, readTuple } from './conntrack-flow.ts';
import { NetlinkClient, refusal } from './netlink-client.ts';
import { bigEndian16, bigEndian32, find, readText, readU32, readU64, writeAttribute } from './netlink-attributes.ts';
import type { Span } from './netlink-attributes.ts';
import { readHeaders } from './packet-log-headers.ts';
import type { PacketHeaders } from './packet-log-headers.ts';

// linux/netfilter/nfnetlink_log.h
const NFNL_SUBSYS_ULOG = 4;
const NFULNL_MSG_PACKET = (NFNL_SUBSYS_ULOG << 8) | 0;
const NFULNL_MSG_CONFIG = (NFNL_SUBSYS_ULOG << 8) | 1;
const NFULA = {
  PacketHeader: 1,
  Timestamp: 3,
  InputInterface: 4,
  Payload: 9,
  Prefix: 10,
  Sequence: 12,
  Conntrack: 18,
  ConntrackInfo: 19,
} as const;
const NFULA_CFG = { Command: 1, Mode: 2, Timeout: 4, Threshold: 5, Flags: 6 } as const;
const NFULNL_CFG_CMD_BIND = 1;
const NFULNL_COPY_PACKET = 2;
const NFULNL_CFG_F_SEQ = 0x1;
const NFULNL_CFG_F_CONNTRACK = 0x4;
const IP_CT_ESTABLISHED = 0;
const IP_CT_NEW = 2;
const EPERM = 1;
const EBUSY = 16;
const EOPNOTSUPP = 95;
/** An IPv6 header, what usually follows it, and the ports. */
const COPIED_BYTES = 128;
/** The kernel gathers so many packets before it wakes us, for a twentieth of a second at most: our readers look as often. */
const THRESHOLD_PACKETS = 8;
const TIMEOUT_CENTISECONDS = 5;
const MAX_PREFIX_BYTES = 64;

export interface LoggedPacket extends PacketHeaders {
  readonly prefix: string;
  /** NF_INET_*: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting. */
  readonly hook: number;
  /** Index of the interface; 0: none. */
  readonly inputInterface: number;
  readonly wallMs: number | undefined;
  /** What was asked for before translation, where that is something else and the kernel tells (`tellsOriginal`). */
  readonly original: { readonly destination: Uint8Array; readonly destinationPort: number } | undefined;
}

export interface PacketsRead {
  readonly packets: number;
  readonly unreadable: number;
  /** Packets that the numbers of those that came show to be missing. */
  readonly lost: number;
  /** The buffer was full, or `lost` is not 0: the first may be seen before the second. */
  readonly isLossy: boolean;
}

export class PacketLog {
  /** False where the kernel has no CONFIG_NETFILTER_NETLINK_GLUE_CT: then `original` is never told. */
  readonly tellsOriginal: boolean;
  readonly #client: NetlinkClient;
  #nextSequence = 0;

  private constructor(client: NetlinkClient, tellsOriginal: boolean) {
    this.#client = client;
    this.tellsOriginal = tellsOriginal;
  }

  /** Takes the group (1..65535). Its memory is for the life of the process. Throws SysError, and KernelError when another program has the group. */
  static open(sys: Sys, group: number, bufferBytes: number): PacketLog {
    const client = NetlinkClient.open(sys, bufferBytes);
    let errno = bind(client, group, NFULNL_CFG_F_SEQ | NFULNL_CFG_F_CONNTRACK);
    const tellsOriginal = errno !== EOPNOTSUPP;
    if (!tellsOriginal) errno = bind(client, group, NFULNL_CFG_F_SEQ);
    if (errno === 0) return new PacketLog(client, tellsOriginal);
    client.close();
    const isTaken = errno === EPERM || errno === EBUSY; // EPERM is also what a process without CAP_NET_ADMIN gets
    throw refusal(
      errno,
      `Cannot read packet log group ${group}${isTaken ? ': another program has it (set logGroup to another, or audit.connections to none), or CAP_NET_ADMIN is missing' : ''}`,
    );
  }

  /** Reads what has come, at most about `limit` packets; as many as that mean that there may be more. Throws KernelError when the socket is of no use any more. */
  read(visit: (packet: LoggedPacket) => void, limit: number): PacketsRead {
    const seen = { packets: 0, unreadable: 0, lost: 0, isLossy: false };
    while (seen.packets + seen.unreadable < limit) {
      const came = this.#client.receive((type, _family, attributes) => {
        if (type !== NFULNL_MSG_PACKET) return;
        seen.lost += this.#missingBefore(attributes);
        const packet = readPacket(attributes);
        if (packet === undefined) {
          seen.unreadable++;
          return;
        }
        seen.packets++;
        visit(packet);
      });
      if (came === 'nothing') break;
      if (came === 'loss') seen.isLossy = true;
    }
    return { ...seen, isLossy: seen.isLossy || seen.lost > 0 };
  }

  close(): void {
    this.#client.close();
  }

  /** The kernel numbers the packets of a group from 0 on, also those that it then has no room for. */
  #missingBefore(attributes: Span): number {
    const sequence = readU32(find(attributes, NFULA.Sequence)) ?? this.#nextSequence;
    const missing = (sequence - this.#nextSequence) >>> 0;
    this.#nextSequence = (sequence + 1) >>> 0;
    return missing;
  }
}

/** One request, so that no packet is logged under half a configuration. The errno of the answer. */
function bind(client: NetlinkClient, group: number, flags: number): number {
  return client.change({ type: NFULNL_MSG_CONFIG, family: 0, resourceId: group }, (request) => {
    writeAttribute(request, NFULA_CFG.Command, Uint8Array.of(NFULNL_CFG_CMD_BIND));
    writeAttribute(request, NFULA_CFG.Mode, Uint8Array.of(...bigEndian32(COPIED_BYTES), NFULNL_COPY_PACKET, 0));
    writeAttribute(request, NFULA_CFG.Timeout, bigEndian32(TIMEOUT_CENTISECONDS));
    writeAttribute(request, NFULA_CFG.Threshold, bigEndian32(THRESHOLD_PACKETS));
    writeAttribute(request, NFULA_CFG.Flags, bigEndian16(flags));
  });
}

function readPacket(attributes: Span): LoggedPacket | undefined {
  const payload = find(attributes, NFULA.Payload);
  const headers = payload && readHeaders(payload);
  if (headers === undefined) return undefined;
  const head = readU32(find(attributes, NFULA.PacketHeader)) ?? 0; // struct nfulnl_msg_packet_hdr: EtherType, hook, padding
  return {
    ...headers,
    prefix: readText(find(attributes, NFULA.Prefix), MAX_PREFIX_BYTES),
    hook: (head >> 8) & 0xff,
    inputInterface: readU32(find(attributes, NFULA.InputInterface)) ?? 0,
    wallMs: readWallMs(find(attributes, NFULA.Timestamp)),
    original: readOriginal(attributes, headers),
  };
}

/** Only in the direction of the first packet is the connection's destination what this packet asked for. */
function readOriginal(attributes: Span, headers: PacketHeaders): LoggedPacket['original'] {
  const info = readU32(find(attributes, NFULA.ConntrackInfo));
  if (info !== IP_CT_NEW && info !== IP_CT_ESTABLISHED) return undefined;
  const tuple = readTuple(find(find(attributes, NFULA.Conntrack), CTA_TUPLE_ORIG));
  if (tuple === undefined || tuple.protocol !== headers.protocol) return undefined;
  const { destination, destinationPort } = tuple;
  const isSame =
    destinationPort === headers.destinationPort && destination.every((byte, i) => byte === headers.destination[i]);
  return isSame ? undefined : { destination, destinationPort };
}

/** struct nfulnl_msg_packet_timestamp: seconds and microseconds, 64 bit each. */
function readWallMs(value: Span | undefined): number | undefined {
  const seconds = readU64(value);
  const micros = value && readU64({ ...value, from: value.from + 8 });
  return seconds === undefined || micros === undefined ? undefined : Number(seconds) * 1000 + Number(micros / 1000n);
}
