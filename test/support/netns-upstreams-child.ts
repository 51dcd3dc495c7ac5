// Runs in a namespace: the servers of netns-upstreams.ts.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { decode, RECURSION_AVAILABLE, RECURSION_DESIRED, TRUNCATED_RESPONSE } from 'dns-packet';
import type { Question } from 'dns-packet';
import { serveLines } from '../../src/cli/demo/lines.ts';
import type { UpstreamCalls } from './netns-upstreams.ts';

const HEADER_BYTES = 12;
const RECORD_BYTES = 16;
const UDP_BYTES = 1_232;
const MOST_BYTES = 65_535;

const namesOf = new Map<string, string[]>();

serveLines<UpstreamCalls>({
  serve: async ({ address, says }) => (await serve(address, says), null),
  asked: ({ address }) => namesOf.get(address) ?? [],
});

async function serve(address: string, says: string): Promise<void> {
  const names: string[] = [];
  namesOf.set(address, names);
  const socket = createSocket('udp4');
  const answer = (message: Buffer, most: number, send: (answer: Buffer) => void): void => {
    const { questions: [question] = [] } = decode(message);
    if (question === undefined) return;
    names.push(question.name);
    const slowMs = Number(/^slow-(\d+)/.exec(question.name)?.[1] ?? 0);
    setTimeout(() => send(answerTo(message, question, says, most)), slowMs);
  };
  socket.on('message', (message, { port, address: peer }) =>
    answer(message, UDP_BYTES, (bytes) => socket.send(bytes, port, peer)),
  );
  const server = createServer((stream) => {
    let rest = Buffer.alloc(0);
    stream.on('error', () => stream.destroy());
    stream.on('data', (piece: Buffer) => {
      rest = Buffer.concat([rest, piece]);
      for (
        ;
        rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0);
        rest = rest.subarray(2 + rest.readUInt16BE(0))
      ) {
        const message = rest.subarray(2, 2 + rest.readUInt16BE(0));
        answer(message, MOST_BYTES, (bytes) => stream.write(Buffer.concat([u16(bytes.length), bytes])));
      }
    });
  });
  socket.bind(53, address);
  server.listen(53, address);
  await Promise.all([once(socket, 'listening'), once(server, 'listening')]);
}

/** Written by hand: dns-packet does not compress, and 4,000 addresses would not fit. */
function answerTo(message: Buffer, question: Question, says: string, most: number): Buffer {
  const end = message.indexOf(0, HEADER_BYTES) + 5;
  const count = question.type === 'A' ? Number(/^big-(\d+)/.exec(question.name)?.[1] ?? 1) : 0;
  const fits = end + count * RECORD_BYTES <= most;
  const flags = 0x8000 | RECURSION_DESIRED | RECURSION_AVAILABLE | (fits ? 0 : TRUNCATED_RESPONSE);
  const header = Buffer.concat([message.subarray(0, 2), ...[flags, 1, fits ? count : 0, 0, 0].map(u16)]);
  const first = says.split('.').map(Number);
  const records = Array.from({ length: fits ? count : 0 }, (_, i) => {
    const address = i === 0 ? first : [203, 0, 113, i % 250];
    return Buffer.from([0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address]);
  });
  return Buffer.concat([header, message.subarray(HEADER_BYTES, end), ...records]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
