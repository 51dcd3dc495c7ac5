// Runs in a namespace: sends packets by a raw socket, which no error of the firewall stops and no handshake slows, or notes those that came.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { parseAddress } from '../../src/base/ip.ts';
import { serveLines } from '../../src/cli/demo/lines.ts';
import { loadLibc } from '../../src/sys/libc.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { AF_INET, sockaddrBytes, writeSockaddr } from '../../src/sys/packet-batch.ts';
import type { HammerCalls, HammerTarget } from './netns-hammer.ts';

const SOCK_RAW = 3;
const PROTOCOL = { syn: 6, udp: 17 } as const;
const SYN_BYTES = 20;
const UDP_BYTES = 16;
/** More at once would be a burst after a pause, not a rate. */
const MOST_MS = 4;
const FIRST_PORT = 20_000;
const PORTS = 40_000;

const collected: number[] = [];
let timer: NodeJS.Timeout | undefined;
let startedMs = 0;
let sent = 0;

serveLines<HammerCalls>({
  start: ({ from, targets, perMs }) => {
    const senders = targets.map((target) => openSender(from, target));
    startedMs = nowMs();
    let doneMs = startedMs;
    timer = setInterval(() => {
      const elapsed = Math.min(nowMs() - doneMs, MOST_MS);
      const count = Math.floor(elapsed * perMs);
      if (count === 0) return;
      doneMs = nowMs();
      for (let i = 0; i < count; i++) for (const send of senders) send(FIRST_PORT + (sent % PORTS));
      sent += count;
    }, 1);
    return null;
  },
  stop: () => (clearInterval(timer), { sent, ms: nowMs() - startedMs }),
  collect: async ({ ip, port }) => {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 8 << 20 });
    socket.on('message', (message, peer) => {
      if (message.length >= 8) collected.push(message.readDoubleBE(0));
      socket.send(message, peer.port, peer.address); // conntrack takes what is answered for a connection
    });
    socket.bind(port, ip);
    await once(socket, 'listening');
    return null;
  },
  collected: () => collected,
});

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

type Send = (fromPort: number) => void;

/** The kernel adds the IP header; what it then refuses to send is the firewall's success, or an error of the one before. */
function openSender(from: string, { kind, ip, port }: HammerTarget): Send {
  const [source, destination] = [parseAddress(from), parseAddress(ip)];
  if (source === undefined || destination === undefined) throw new Error(`"${from}" or "${ip}" is not an address`);
  const libc = loadLibc();
  const memory = LinuxSys.open().allocate(4_096);
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
  writeSockaddr(view, 0, 4, destination, 0, 0);
  const fd = libc.socket(AF_INET, SOCK_RAW, PROTOCOL[kind]);
  if (libc.connect(fd, memory.address, sockaddrBytes(4)) < 0) throw new Error('cannot connect the raw socket');
  const at = 64;
  const length = kind === 'syn' ? SYN_BYTES : UDP_BYTES;
  return (fromPort) => {
    view.setUint16(at, fromPort);
    view.setUint16(at + 2, port);
    if (kind === 'syn') writeSyn(view, at, [...source.subarray(12), ...destination.subarray(12)]);
    else writeUdp(view, at);
    libc.send(fd, memory.address + at, length, 0);
  };
}

/** RFC 768; no checksum, which IPv4 allows. */
function writeUdp(view: DataView, at: number): void {
  view.setUint16(at + 4, UDP_BYTES);
  view.setUint16(at + 6, 0);
  view.setFloat64(at + 8, nowMs());
}

/** RFC 9293 §3.1, with its checksum: conntrack takes no other packet for the beginning of a connection. */
function writeSyn(view: DataView, at: number, addresses: readonly number[]): void {
  view.setUint32(at + 4, sent);
  view.setUint32(at + 8, 0);
  view.setUint16(at + 12, 0x5002); // 5 words, SYN
  view.setUint16(at + 14, 0xffff);
  view.setUint32(at + 16, 0);
  let sum = PROTOCOL.syn + SYN_BYTES;
  addresses.forEach((byte, i) => (sum += i % 2 === 0 ? byte << 8 : byte));
  for (let i = 0; i < SYN_BYTES; i += 2) sum += view.getUint16(at + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at + 16, ~sum & 0xffff);
}
