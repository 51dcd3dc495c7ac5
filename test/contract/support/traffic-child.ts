// Sends and receives inside a namespace: what a pod, or the server that it talks to, would do.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { parseAddress } from '../../../src/base/ip.ts';
import { PacketBatch } from '../../../src/sys/packet-batch.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import { answerCalls } from './child.ts';

export const TRAFFIC_CHILD = import.meta.url;

export type TrafficCall =
  /** Accepts connections and counts the bytes that come. */
  | { readonly do: 'listen'; readonly address: string; readonly port: number }
  | { readonly do: 'bytes received' }
  | { readonly do: 'connect'; readonly address: string; readonly port: number; readonly from?: string }
  /** Sends a byte on the connection that `connect` made last. */
  | { readonly do: 'send' }
  /** Sends datagrams; answers the replies that come within half a second (or as soon as there are as many as were sent), or an error code. */
  | {
      readonly do: 'ask';
      readonly address: string;
      readonly port: number;
      readonly times?: number;
      readonly from?: string;
    }
  /** Sends everything back that comes to this address and port 53, through a transparent socket. */
  | { readonly do: 'echo transparently'; readonly address: string };

const TIMEOUT_MS = 500;
let received = 0;
let connection: Socket | undefined;

if (process.argv[1] === import.meta.filename) await answerCalls<TrafficCall>(answer);

async function answer(call: TrafficCall): Promise<unknown> {
  if (call.do === 'listen') return listen(call.address, call.port);
  if (call.do === 'bytes received') return received;
  if (call.do === 'connect') return connectTo(call.address, call.port, call.from);
  if (call.do === 'send') return new Promise((resolve) => connection?.write('x', () => resolve(null)));
  if (call.do === 'ask') return ask(call.address, call.port, call.times ?? 1, call.from);
  return echoTransparently(call.address);
}

async function listen(address: string, port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on('data', (data) => (received += data.length));
    socket.on('error', () => socket.destroy());
  });
  await once(server.listen(port, address), 'listening');
}

/** `connected`, `timeout` or the error's code, and the time that it took. */
async function connectTo(host: string, port: number, from?: string): Promise<{ outcome: string; ms: number }> {
  const start = performance.now();
  const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
  const outcome = await new Promise<string>((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    setTimeout(() => resolve('timeout'), TIMEOUT_MS);
  });
  socket.on('error', () => socket.destroy());
  if (outcome === 'connected') connection = socket;
  else socket.destroy();
  return { outcome, ms: performance.now() - start };
}

async function ask(address: string, port: number, times: number, from?: string): Promise<number | string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  if (from !== undefined) await new Promise<void>((resolve) => socket.bind(0, from, resolve));
  await new Promise<void>((resolve) => socket.connect(port, address, resolve));
  let replies = 0;
  const outcome = await new Promise<number | string>((resolve) => {
    socket.on('message', () => {
      if (++replies === times) resolve(replies);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    for (let i = 0; i < times; i++) socket.send('query');
    setTimeout(() => resolve(replies), TIMEOUT_MS);
  });
  socket.close();
  return outcome;
}

function echoTransparently(address: string): void {
  const sys = LinuxSys.open();
  const bytes = parseAddress(address) ?? new Uint8Array(16);
  const fd = sys.udpListen({ address: bytes, port: 53 }, { receiveBufferBytes: 65_536, transparent: true });
  const batch = new PacketBatch(sys, 64, 512);
  setInterval(() => {
    batch.prepareReceive();
    const count = sys.receiveBatch(fd, batch);
    for (let i = 0; i < count; i++) batch.setLength(i, batch.received(i));
    if (count > 0) sys.sendBatch(fd, batch, 0, count);
  }, 1);
}
