// Runs in a namespace: one message, one reply, for ask.ts. The id is drawn here; a reply with another one is not looked at.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { serveLines } from '../../../src/cli/demo/lines.ts';
import type { AskCalls } from './ask.ts';

const PORT = 53;
const TRIES = 2; // a datagram may be lost on a machine that has other things to do
const PATIENCE_MS = 1_000;

serveLines<AskCalls>({
  ask: async ({ server, transport, message }) => {
    const bytes = Buffer.from(message, 'hex');
    for (let i = 0; i < TRIES; i++) {
      bytes.writeUInt16BE(randomInt(0x10000), 0);
      const reply = await (transport === 'udp' ? askUdp(server, bytes) : askTcp(server, bytes));
      if (reply !== null) return reply.toString('hex');
    }
    return null;
  },
});

function askUdp(server: string, message: Buffer): Promise<Buffer | null> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    const finish = (reply: Buffer | null): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => finish(null), PATIENCE_MS);
    socket.on('message', (reply) => reply.readUInt16BE(0) === message.readUInt16BE(0) && finish(reply));
    socket.on('error', () => finish(null));
    socket.connect(PORT, server, () => socket.send(message));
  });
}

function askTcp(server: string, message: Buffer): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: server, port: PORT });
    let received = Buffer.alloc(0);
    const finish = (reply: Buffer | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(() => finish(null), PATIENCE_MS);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.on('connect', () => socket.write(Buffer.concat([length, message])));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.length < 2 ? Infinity : 2 + received.readUInt16BE(0);
      if (received.length >= end) finish(received.subarray(2, end));
    });
    socket.on('error', () => finish(null));
    socket.on('close', () => finish(null));
  });
}
