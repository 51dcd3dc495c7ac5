// Runs in the world's namespace: DNS servers that answer from a zone, and servers that answer on every address of the world.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  decode,
  encode,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  AUTHORITATIVE_ANSWER,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { Answer, DecodedPacket, Question } from 'dns-packet';
import { serveLines, type LineService } from './lines.ts';
import { CLUSTER_DNS, LOAD, UDP_ECHO, UPSTREAM } from './topology.ts';
import { WORLD_PORTS, type WorldCalls } from './world.ts';
import { Zone, type Lookup, type Rcode } from './zone.ts';

const DNS_ADDRESSES = [UPSTREAM.v4, UPSTREAM.v6, CLUSTER_DNS.v4, CLUSTER_DNS.v6];
const RCODE_BITS: Readonly<Record<Rcode, number>> = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };
const CLASSIC_UDP_BYTES = 512; // RFC 1035 §2.3.4, for a query without OPT
const SOCKET_BUFFER_BYTES = 8 << 20;

const zone = new Zone();
const askedByName = new Map<string, number>();
let delayMs = 0;

const service: LineService = serveLines<WorldCalls>({
  listen: async () => {
    const echoes = [UDP_ECHO.v4, UDP_ECHO.v6].map(echoUdp);
    await Promise.all([...DNS_ADDRESSES.map(serveDns), ...WORLD_PORTS.map(serveWeb), ...echoes]);
    return null;
  },
  publish: ({ name, records }) => (zone.publish(name, records), null),
  fail: ({ name, rcode }) => (zone.fail(name, rcode), null),
  withdraw: ({ name }) => (zone.withdraw(name), null),
  delay: ({ milliseconds }) => ((delayMs = milliseconds), null),
  loadTtl: ({ ttlSeconds }) => ((zone.loadTtlSeconds = ttlSeconds), null),
  asked: ({ name }) => askedByName.get(name.toLowerCase()) ?? 0,
  outlive: () => (service.outlive(), null),
});

/** One socket an address, never the wildcard: the answer must come from the address that was asked. */
async function serveDns(address: string): Promise<void> {
  const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: SOCKET_BUFFER_BYTES });
  udp.on('message', (message, { address: peer, port }) => {
    const query = decodeQuery(message);
    if (query === undefined) return;
    later(() => udp.send(respond(query, udpLimitBytes(query)), port, peer));
  });
  udp.bind(53, address);
  const tcp = createServer((socket) => serveDnsStream(socket));
  tcp.listen(53, address);
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
}

/** RFC 1035 §4.2.2: each message follows its length in two bytes. */
function serveDnsStream(socket: Socket): void {
  let buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
      const end = 2 + buffer.readUInt16BE(0);
      const query = decodeQuery(buffer.subarray(2, end));
      buffer = buffer.subarray(end);
      if (query !== undefined) later(() => socket.write(framed(respond(query, 0xffff))));
    }
  });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function decodeQuery(message: Buffer): DecodedPacket | undefined {
  try {
    const query = decode(message);
    return query.type === 'query' && query.questions?.length === 1 ? query : undefined;
  } catch {
    return undefined; // not DNS: nothing to answer
  }
}

function respond(query: DecodedPacket, limitBytes: number): Buffer {
  const question = query.questions?.[0] ?? { name: '.', type: 'A' };
  count(question);
  const { rcode, answers } = zone.lookup(question);
  const flags =
    AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | RCODE_BITS[rcode];
  const head = { type: 'response' as const, id: query.id, questions: [question], additionals: optOf(query) };
  const whole = encode({ ...head, flags, answers: [...answers], authorities: soaOf(question, { rcode, answers }) });
  return whole.length <= limitBytes ? whole : encode({ ...head, flags: flags | TRUNCATED_RESPONSE });
}

/** RFC 2308 §2: without an answer of the asked type, the SOA says how long that may be believed. */
function soaOf({ name, type }: Question, { rcode, answers }: Lookup): Answer[] {
  if (rcode === 'NXDOMAIN' || (rcode === 'NOERROR' && !answers.some((answer) => answer.type === type))) {
    const apex = name.split('.').slice(-2).join('.');
    const data = {
      mname: `ns.${apex}`,
      rname: `hostmaster.${apex}`,
      serial: 1,
      refresh: 60,
      retry: 60,
      expire: 60,
      minimum: 1,
    };
    return [{ name: apex, type: 'SOA', ttl: 1, data }];
  }
  return [];
}

function optOf(query: DecodedPacket): Answer[] {
  if (findOpt(query) === undefined) return [];
  return [
    {
      name: '.',
      type: 'OPT',
      udpPayloadSize: 1232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ];
}

function udpLimitBytes(query: DecodedPacket): number {
  return Math.max(CLASSIC_UDP_BYTES, findOpt(query)?.udpPayloadSize ?? 0);
}

function findOpt(query: DecodedPacket) {
  return query.additionals?.find((record) => record.type === 'OPT');
}

function count({ name }: Question): void {
  const key = name.toLowerCase();
  const counted = key.endsWith(`.${LOAD.zone}`) ? LOAD.zone : key; // a counter a load name would be a leak
  askedByName.set(counted, (askedByName.get(counted) ?? 0) + 1);
}

function later(send: () => void): void {
  if (delayMs === 0) return send();
  setTimeout(send, delayMs);
}

async function serveWeb(port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      if (chunk.subarray(0, 4).toString('latin1') === 'GET ') return answerHttp(socket);
      socket.write(chunk);
    });
  });
  server.listen({ port, host: '::', backlog: 4096 }); // `::` takes IPv4 too
  await once(server, 'listening');
}

/** For people with curl in a lab that was kept. */
function answerHttp(socket: Socket): void {
  const [here, there] = [socket.localAddress, socket.remoteAddress].map((ip) => ip?.replace('::ffff:', ''));
  const body = `${here} port ${socket.localPort} sees you as ${there}\n`;
  socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
}

async function echoUdp(address: string): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message, peer) => socket.send(message, peer.port, peer.address));
  socket.bind(UDP_ECHO.port, address);
  await once(socket, 'listening');
}
