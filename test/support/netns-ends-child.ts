// Runs in a namespace: sockets that stay, for netns-ends.ts. Servers answer what they hear with one byte or datagram; clients answer nothing.
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { serveLines } from '../../src/cli/demo/lines.ts';
import type { EndCalls, Place } from './netns-ends.ts';

const PATIENCE_MS = 800;

interface End {
  readonly port: number;
  readonly speak: () => void;
  heard: number;
  ended?: string;
}

const ends: End[] = [];
/** `PROTOCOL ADDRESS PORT` of a client → how to speak to it. */
const clients = new Map<string, () => void>();

serveLines<EndCalls>({
  listen: async ({ protocol, ...place }) => (await (protocol === 'tcp' ? listenTcp(place) : listenUdp(place)), null),
  open: ({ protocol, ...place }) => (protocol === 'tcp' ? openTcp(place) : openUdp(place)),
  speak: ({ end }) => (ends[end]?.speak(), null),
  beat: ({ end, everyMs }) => {
    setInterval(() => ends[end]?.speak(), everyMs);
    return null;
  },
  speakTo: ({ protocol, ip, port }) => {
    const speak = clients.get(`${protocol} ${ip} ${port}`);
    speak?.();
    return speak !== undefined;
  },
  heard: ({ end }) => {
    const { heard = 0, ended } = ends[end] ?? {};
    return { heard, ...(ended === undefined ? {} : { ended }) };
  },
});

async function listenTcp({ ip, port }: Place): Promise<void> {
  const server = createServer((socket) => {
    const speak = (): void => void socket.write('x');
    const client = `tcp ${socket.remoteAddress} ${socket.remotePort}`;
    clients.set(client, speak);
    socket.on('data', speak);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => clients.delete(client));
  });
  await once(server.listen(port, ip), 'listening');
}

async function listenUdp({ ip, port }: Place): Promise<void> {
  const socket = udpSocket(ip);
  socket.on('message', (_message, peer) => {
    const speak = (): void => socket.send('x', peer.port, peer.address);
    clients.set(`udp ${peer.address} ${peer.port}`, speak);
    speak();
  });
  await bound(socket, port, ip);
}

async function openTcp({ ip, port, fromPort }: Place & { fromPort: number }): Promise<EndCalls['open']['answer']> {
  const socket = connect({ host: ip, port, noDelay: true, ...(fromPort === 0 ? {} : { localPort: fromPort }) });
  const timer = setTimeout(() => socket.destroy(Object.assign(new Error('silent'), { code: 'silent' })), PATIENCE_MS);
  const outcome = await new Promise<string>((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  clearTimeout(timer);
  const end: End = { port: socket.localPort ?? 0, heard: 0, speak: () => void socket.write('x') };
  socket.on('data', (data) => (end.heard += data.length));
  socket.on('error', (error: NodeJS.ErrnoException) => (end.ended = error.code ?? error.message));
  socket.on('end', () => (end.ended ??= 'end'));
  return { outcome, end: ends.push(end) - 1, port: end.port };
}

/** Not connected, so that an ICMP error does not end it: it goes on as a hostile one would. */
async function openUdp({ ip, port, fromPort }: Place & { fromPort: number }): Promise<EndCalls['open']['answer']> {
  const socket = udpSocket(ip);
  await bound(socket, fromPort);
  const end: End = { port: socket.address().port, heard: 0, speak: () => socket.send('x', port, ip) };
  socket.on('message', () => end.heard++);
  return { outcome: 'connected', end: ends.push(end) - 1, port: end.port };
}

function udpSocket(ip: string): UdpSocket {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => undefined); // what was sent comes back refused: whoever asks sees that nothing was heard
  return socket;
}

async function bound(socket: UdpSocket, port: number, address?: string): Promise<void> {
  socket.bind({ port, ...(address === undefined ? {} : { address }) });
  await once(socket, 'listening');
}
