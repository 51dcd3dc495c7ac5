// Runs in a namespace: the servers of netns-upstreams.ts.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet';
import type { Answer } from 'dns-packet';
import { serveLines } from '../../src/cli/demo/lines.ts';
import type { UpstreamCalls } from './netns-upstreams.ts';

const namesOf = new Map<string, string[]>();

serveLines<UpstreamCalls>({
  serve: async ({ address, says }) => (await serve(address, says), null),
  asked: ({ address }) => namesOf.get(address) ?? [],
});

async function serve(address: string, says: string): Promise<void> {
  const names: string[] = [];
  namesOf.set(address, names);
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address: peer }) => {
    const { id, questions: [question] = [] } = decode(message);
    if (question === undefined) return;
    names.push(question.name);
    const isA = question.type === 'A';
    const answers: Answer[] = isA ? [{ name: question.name, type: 'A', ttl: 60, data: says }] : [];
    const flags = RECURSION_DESIRED | RECURSION_AVAILABLE;
    socket.send(encode({ type: 'response', id, flags, questions: [question], answers }), port, peer);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
}
