// The probe's resolver: one question over UDP, through our own codec, because the answer's Extended DNS Error is what tells a denial
// from a name that does not exist.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { formatAddress } from '../../base/ip.ts';
import { ANSWER, Answer, parseAnswer, questionMatches, type Question } from '../../dns/answer.ts';
import { buildQuery } from '../../dns/build-reply.ts';
import { CLASS, EDNS_OPTION, MIN_UDP_BYTES, TYPE } from '../../dns/codes.ts';
import { readId, readUint16, writeUint16 } from '../../dns/header.ts';
import { foldName, parseNameText } from '../../dns/name.ts';
import type { Asked, ProbeCalls } from './probe-calls.ts';

const DNS_PORT = 53;
const answer = new Answer(); // only read between two awaits

export async function ask({ name, type, servers, timeoutMs }: ProbeCalls['ask']['request']): Promise<Asked> {
  let asked: Asked = { outcome: 'failed', why: 'no DNS server is known' };
  for (const server of servers) {
    asked = await exchange(name, type, server, timeoutMs / servers.length);
    if (asked.outcome === 'reply') return asked;
  }
  return asked;
}

function exchange(name: string, type: number, server: string, timeoutMs: number): Promise<Asked> {
  const { query, question } = encode(name, type);
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const timer = setTimeout(() => resolve({ outcome: 'silent' }), timeoutMs);
  const fail = (error: NodeJS.ErrnoException): void => resolve({ outcome: 'failed', why: error.code ?? error.message });
  socket.on('error', fail);
  socket.on('message', (message) => {
    const isOurs = message.length > 2 && readId(message, 0) === readId(query, 0);
    if (isOurs && questionMatches(message, 0, message.length, question)) resolve(decode(message, type));
  });
  // Connected: an ICMP error is told at once, and nobody else can answer.
  socket.connect(DNS_PORT, server, (error?: Error) => (error ? fail(error) : socket.send(query)));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.removeAllListeners('message').close();
  });
}

export function encode(name: string, type: number): { query: Uint8Array; question: Question } {
  const wire = parseNameText(name) ?? new Uint8Array(1); // whoever read the test file has parsed it before
  const qname = new Uint8Array(wire.length + 4);
  qname.set(wire);
  writeUint16(qname, wire.length, type);
  writeUint16(qname, wire.length + 2, CLASS.IN);
  const bytes = new Uint8Array(MIN_UDP_BYTES);
  const room = { bytes, at: 0, limit: bytes.length };
  const header = { id: randomInt(0x10000), flags: 0, dnssecOk: false, hasOpt: true };
  const length = buildQuery(room, { ...header, qname, questionLength: qname.length });
  foldName(wire, 0, wire.length);
  return { query: bytes.subarray(0, length), question: { folded: wire, qnameLength: wire.length, qtype: type } };
}

/** `message` answers a question of type `type`. */
export function decode(message: Uint8Array, type: number): Asked {
  const code = parseAnswer(message, 0, message.length, answer);
  if (code === ANSWER.Truncated) return { outcome: 'failed', why: 'the answer is truncated' };
  if (code !== ANSWER.Ok) return { outcome: 'failed', why: 'the answer is malformed' };
  let records = 0;
  const addresses: string[] = [];
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.type[i] === type && answer.class[i] === CLASS.IN) records++;
    const offset = answer.rdataOffset[i] ?? 0;
    // parseAnswer has checked that an A has 4 bytes and an AAAA 16.
    if (answer.type[i] === TYPE.A) addresses.push(message.subarray(offset, offset + 4).join('.'));
    if (answer.type[i] === TYPE.AAAA) addresses.push(formatAddress(message, offset));
  }
  return { outcome: 'reply', rcode: answer.rcode, ede: extendedError(message), records, addresses };
}

/** Of the message that `answer` indexes. RFC 8914 §2: the option's data begin with the code. */
function extendedError(message: Uint8Array): number | null {
  if (!answer.hasOpt) return null;
  let at = answer.rdataOffset[answer.optIndex] ?? 0;
  const end = at + (answer.rdataLength[answer.optIndex] ?? 0);
  for (; at + 6 <= end; at += 4 + readUint16(message, at + 2)) {
    if (readUint16(message, at) === EDNS_OPTION.ExtendedError && readUint16(message, at + 2) >= 2) {
      return readUint16(message, at + 4);
    }
  }
  return null;
}
