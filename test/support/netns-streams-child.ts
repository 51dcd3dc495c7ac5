// Runs in a namespace: the connections of netns-streams.ts.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode, RECURSION_DESIRED } from 'dns-packet';
import { serveLines } from '../../src/cli/demo/lines.ts';
import type { StreamAnswer, StreamCalls } from './netns-streams.ts';

const PATIENCE_MS = 2_000;
/** Queries that a flood writes before it waits for answers. */
const AHEAD = 500;

interface Stream {
  readonly socket: Socket;
  readonly connectedMs: number;
  readonly answers: StreamAnswer[];
  pieces: number;
  rest: Buffer;
  ended?: string;
  endedMs?: number;
}

const streams: Stream[] = [];

serveLines<StreamCalls>({
  open: async ({ ip, count }) => {
    const opened: number[] = [];
    for (let i = 0; i < count; i++) {
      const stream = await open(ip);
      if (stream !== undefined) opened.push(streams.push(stream) - 1);
    }
    return opened;
  },
  ask: async ({ connection, names, firstId, pieceBytes }) => {
    const bytes = Buffer.concat(names.map((name, i) => framed(name, firstId + i)));
    const size = pieceBytes ?? bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      streamOf(connection).socket.write(bytes.subarray(at, at + size));
      if (pieceBytes !== undefined) await sleep(1); // else the kernel might put two into one segment
    }
    return null;
  },
  write: ({ connection, hex }) => (streamOf(connection).socket.write(Buffer.from(hex, 'hex')), null),
  state: ({ connection }) => {
    const { answers, pieces, ended, endedMs } = streamOf(connection);
    return { answers, pieces, ...(ended === undefined ? {} : { ended, endedMs: endedMs ?? 0 }) };
  },
  flood: async ({ connection, name, count }) => {
    const stream = streamOf(connection);
    const query = framed(name, 1);
    for (let asked = 0; stream.ended === undefined && stream.answers.length < count;) {
      const more = Math.min(count - asked, AHEAD - (asked - stream.answers.length));
      if (more > 0) stream.socket.write(Buffer.concat(Array.from({ length: more }, () => query)));
      asked += Math.max(0, more);
      await sleep(1);
    }
    return stream.answers.length;
  },
  close: ({ connection }) => (streamOf(connection).socket.destroy(), null),
});

function streamOf(connection: number): Stream {
  const stream = streams[connection];
  if (stream === undefined) throw new Error(`There is no connection ${connection}`);
  return stream;
}

async function open(ip: string): Promise<Stream | undefined> {
  const socket = connect({ host: ip, port: 53, noDelay: true });
  const timer = setTimeout(() => socket.destroy(new Error('silent')), PATIENCE_MS);
  try {
    await once(socket, 'connect');
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
  const stream: Stream = { socket, connectedMs: performance.now(), answers: [], pieces: 0, rest: Buffer.alloc(0) };
  const end = (how: string): void => {
    stream.ended ??= how;
    stream.endedMs ??= performance.now() - stream.connectedMs;
  };
  socket.on('data', (piece: Buffer) => read(stream, piece));
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.on('end', () => end('end'));
  return stream;
}

function read(stream: Stream, piece: Buffer): void {
  stream.pieces++;
  stream.rest = Buffer.concat([stream.rest, piece]);
  for (let { rest } = stream; rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0); { rest } = stream) {
    const end = 2 + rest.readUInt16BE(0);
    const flags = rest.readUInt16BE(4);
    stream.answers.push({
      id: rest.readUInt16BE(2),
      rcode: flags & 0xf,
      records: rest.readUInt16BE(8),
      isTruncated: (flags & 0x200) !== 0,
    });
    stream.rest = rest.subarray(end);
  }
}

function framed(name: string, id: number): Buffer {
  const message = encode({ type: 'query', id, flags: RECURSION_DESIRED, questions: [{ name, type: 'A' }] });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
