// The probe's resolver: one question, one answer, over a socket that the kernel's ICMP errors reach.
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect } from 'node:net';
import { decode, encode, RECURSION_DESIRED, TRUNCATED_RESPONSE } from 'dns-packet';
import type { Answer, DecodedPacket, RecordType } from 'dns-packet';
import type { Asked, AskOptions, Failure } from './pod.ts';
import { CLUSTER_DNS } from './topology.ts';

const DNS_PORT = 53;
const OPTION_EDE: number = 15; // RFC 8914 §2
const OPT: Answer = {
  name: '.',
  type: 'OPT',
  udpPayloadSize: 1232, // DNS flag day 2020
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

export async function ask(request: { name: string; type: string } & AskOptions): Promise<Asked> {
  const { server = CLUSTER_DNS.v4, timeoutMs = 2000, transport = 'udp' } = request;
  const query = encodeQuery(request);
  if (transport === 'tcp') return askOverTcp(query, server, { ...request, timeoutMs });
  const resolver = await UdpResolver.open(server, request.from);
  const asked = await resolver.exchange(query, timeoutMs);
  resolver.close();
  return asked;
}

export function encodeQuery({ name, type, edns = true }: { name: string; type: string } & AskOptions): Buffer {
  return encode({
    type: 'query',
    id: randomInt(0x10000),
    flags: RECURSION_DESIRED,
    // dns-packet takes UNKNOWN_n for types that it has no name for.
    questions: [{ name, type: type as RecordType }],
    additionals: edns ? [OPT] : [],
  });
}

/** A connected UDP socket: a rejected query fails at once instead of timing out. One exchange at a time. */
export class UdpResolver {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static open(server: string, from?: string): Promise<UdpResolver> {
    const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
    return new Promise((resolve) => {
      // Without this listener a late ICMP error would end the probe; exchange() has its own for errors that matter.
      socket.on('error', () => undefined);
      // Unreachable at connect shows again at send.
      socket.once('error', () => resolve(new UdpResolver(socket)));
      socket.bind({ port: 0, ...(from === undefined ? {} : { address: from }) }, () =>
        socket.connect(DNS_PORT, server, () => resolve(new UdpResolver(socket))),
      );
    });
  }

  exchange(query: Buffer, timeoutMs: number): Promise<Asked> {
    const socket = this.#socket;
    const start = performance.now();
    return new Promise((resolve) => {
      const finish = (asked: Asked): void => {
        clearTimeout(timer);
        socket.off('message', onMessage).off('error', onError);
        resolve(asked);
      };
      const onMessage = (message: Buffer): void => {
        if (message.length > 1 && message.readUInt16BE(0) === query.readUInt16BE(0)) finish(summarise(message, start));
      };
      const onError = (error: NodeJS.ErrnoException): void => finish(rejected(error, start));
      const timer = setTimeout(() => finish(silent(start)), timeoutMs);
      socket.on('message', onMessage).on('error', onError);
      try {
        socket.send(query, (error) => error !== null && onError(error));
      } catch (error) {
        onError(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  close(): void {
    this.#socket.close();
  }
}

function askOverTcp(query: Buffer, host: string, options: { timeoutMs: number; from?: string }): Promise<Asked> {
  const start = performance.now();
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: DNS_PORT,
      ...(options.from === undefined ? {} : { localAddress: options.from }),
    });
    const finish = (asked: Asked): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(asked);
    };
    const timer = setTimeout(() => finish(silent(start)), options.timeoutMs);
    let received = Buffer.alloc(0);
    socket.on('connect', () =>
      socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query])),
    );
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > 2 && received.length >= 2 + received.readUInt16BE(0))
        finish(summarise(received.subarray(2), start));
    });
    socket.on('error', (error) => finish(rejected(error, start)));
    socket.on('close', () => finish({ outcome: 'rejected', errno: 'closed', ms: performance.now() - start }));
  });
}

export function rejected(error: NodeJS.ErrnoException, start: number): Failure {
  return { outcome: 'rejected', errno: error.code ?? error.message, ms: performance.now() - start };
}

export function silent(start: number): Failure {
  return { outcome: 'silent', ms: performance.now() - start };
}

function summarise(message: Buffer, start: number): Asked {
  const ms = performance.now() - start;
  const packet = decode(message);
  const answers = packet.answers ?? [];
  return {
    outcome: 'answered',
    rcode: rcodeOf(packet),
    addresses: answers.flatMap((answer) => (answer.type === 'A' || answer.type === 'AAAA' ? [answer.data] : [])),
    aliases: answers.flatMap((answer) => (answer.type === 'CNAME' ? [answer.data] : [])),
    ttlSeconds: lowestTtl(answers),
    ede: extendedError(packet),
    truncated: ((packet.flags ?? 0) & TRUNCATED_RESPONSE) !== 0,
    ms,
  };
}

function rcodeOf(packet: DecodedPacket): string {
  // dns-packet sets it, its types do not tell.
  return (packet as DecodedPacket & { rcode: string }).rcode;
}

function lowestTtl(answers: readonly Answer[]): number | null {
  const ttls = answers.flatMap((answer) => ('ttl' in answer && answer.ttl !== undefined ? [answer.ttl] : []));
  return ttls.length === 0 ? null : Math.min(...ttls);
}

function extendedError(packet: DecodedPacket): { code: number; text: string } | null {
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  const option = opt?.options.find(({ code }: { code: number }) => code === OPTION_EDE);
  if (option === undefined || !('data' in option) || option.data === undefined) return null;
  return { code: option.data.readUInt16BE(0), text: option.data.subarray(2).toString('utf8') };
}
