// The data plane's thread between a pod and its upstreams on the loopback of a namespace, for upstreams.test.ts.
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { decode, encode } from 'dns-packet';
import { DatapathError, DatapathHost } from '../../../src/agent/datapath-host.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import type { UpstreamZone } from '../../../src/datapath/settings.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import { answerCalls } from './child.ts';

export const UPSTREAMS_CHILD = import.meta.url;
const DNS_PORT = 53;
const POD = '127.0.0.7';
export const LISTENER = '127.0.0.1';

/** Addresses of the servers of each zone. */
export type Zones = Readonly<Record<string, readonly string[]>>;

export type UpstreamsCall =
  | { readonly do: 'start' | 'replace'; readonly zones: Zones }
  /** From now on a server stands at this address and keeps what it is asked. */
  | { readonly do: 'serve'; readonly address: string }
  | { readonly do: 'ask'; readonly name: string }
  /** Waits until the server was asked something. */
  | { readonly do: 'asked'; readonly address: string }
  /** Waits until the server was asked for this name, and answers. */
  | { readonly do: 'answer'; readonly address: string; readonly name: string }
  /** Waits for the pod's next reply; its name and rcode. */
  | { readonly do: 'reply' }
  /** How many sockets are connected to this server. */
  | { readonly do: 'sockets'; readonly address: string }
  | { readonly do: 'stop' };

async function serve(): Promise<void> {
  const servers = new Map<string, Peer>();
  let pod: Peer | undefined;
  let host: DatapathHost | undefined;
  await answerCalls<UpstreamsCall>(async (call) => {
    switch (call.do) {
      case 'start':
        pod = await Peer.bind(POD, 0);
        host = await start(call.zones);
        return null;
      case 'replace':
        return replace(host, call.zones);
      case 'serve':
        servers.set(call.address, await Peer.bind(call.address, DNS_PORT));
        return null;
      case 'ask':
        return pod?.send(query(call.name), DNS_PORT, LISTENER);
      case 'asked':
        return servers.get(call.address)?.wait();
      case 'answer':
        return servers.get(call.address)?.answer(call.name);
      case 'reply':
        return pod?.next().then(({ text }) => text);
      case 'sockets':
        return connectedTo(call.address);
      default:
        return host?.stop();
    }
  });
}

function start(zones: Zones): Promise<DatapathHost> {
  const settings = {
    listen: [{ address: bytesOf(LISTENER), port: DNS_PORT }],
    transparent: false,
    upstreams: upstreamZones(zones),
    denial: 'nxdomain',
    lifetimes: { minTtlMs: 5_000, maxTtlMs: 3_600_000, graceMs: 60_000 },
    table: 'namewall',
    strategy: 'update',
    protect: { protect: [], cidrs: [] },
  } as const;
  // No policy selects the pod: it asks what it likes and is granted nothing.
  const pods = [{ id: 1, addresses: [bytesOf(POD)], program: -1 }];
  return DatapathHost.start(
    LinuxSys.open(),
    settings,
    {
      snapshot: { generation: 1, pods, programs: [], classIds: [], shield: '' },
      inheritance: { grants: [], lookups: [], changed: [] },
    },
    {
      onKernelTouched: () => undefined,
      onKernelDamage: () => undefined,
      onInternalError: (stack) => process.stderr.write(stack),
      onUnreachable: () => undefined,
      onDeath: (error) => process.stderr.write(String(error)),
    },
  );
}

/** The servers that were left out, or the code of the refusal. */
async function replace(host: DatapathHost | undefined, zones: Zones): Promise<unknown> {
  try {
    return (await host?.setUpstreams(upstreamZones(zones)))?.unreachable;
  } catch (error) {
    if (error instanceof DatapathError) return error.code;
    throw error;
  }
}

function upstreamZones(zones: Zones): UpstreamZone[] {
  return Object.entries(zones).map(([zone, servers]) => ({
    zone,
    servers: servers.map((server) => ({ address: bytesOf(server), port: DNS_PORT })),
  }));
}

function bytesOf(text: string): Uint8Array {
  return parseAddress(text) ?? new Uint8Array(16);
}

function query(name: string): Uint8Array {
  return encode({ type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name }] });
}

/** /proc/net/udp has addresses as the machine's words and ports in hexadecimal. */
function connectedTo(address: string): number {
  const word = Buffer.from(address.split('.').map(Number)).readUInt32LE().toString(16).padStart(8, '0').toUpperCase();
  const lines = readFileSync('/proc/net/udp', 'latin1').split('\n');
  return lines.filter((line) => line.trim().split(/ +/)[2] === `${word}:0035`).length;
}

interface Arrived {
  readonly bytes: Buffer;
  readonly port: number;
  readonly text: string;
}

/** A UDP socket with what has arrived at it. */
class Peer {
  readonly #socket: Socket;
  readonly #arrived: Arrived[] = [];
  #wake = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes, { port }) => {
      const { questions = [], flags = 0 } = decode(bytes);
      this.#arrived.push({ bytes, port, text: `${questions[0]?.name} ${flags & 15}` });
      this.#wake.resolve();
    });
  }

  static async bind(address: string, port: number): Promise<Peer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(port, address, resolve));
    return new Peer(socket);
  }

  send(bytes: Uint8Array, port: number, address: string): void {
    this.#socket.send(bytes, port, address);
  }

  /** Until something has arrived. */
  async wait(): Promise<void> {
    while (this.#arrived.length === 0) {
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }

  async next(): Promise<Arrived> {
    await this.wait();
    return this.#arrived.shift() ?? Promise.reject(new Error('Nothing has arrived'));
  }

  async answer(name: string): Promise<void> {
    const { bytes, port, text } = await this.next();
    if (!text.startsWith(`${name} `)) throw new Error(`${text} was asked`);
    const { id = 0, questions = [] } = decode(bytes);
    const answers = [{ type: 'A', name, ttl: 30, data: '192.0.2.8' } as const];
    this.send(encode({ type: 'response', id, flags: 0x180, questions, answers }), port, LISTENER);
  }
}

// Behind the class, which does not exist before.
if (process.argv[1] === import.meta.filename) await serve();
