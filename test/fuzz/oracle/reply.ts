// What every reply keeps to, whatever it says (R1, R2, R13, R36): the client's id and question, its EDNS and nobody's options, its size.
import { assertNever } from '../../../src/base/errors.ts';
import type { Message } from './message.ts';
import type { Reading } from './query.ts';

const FLAG = { QR: 0x8000, TC: 0x0200, RD: 0x0100, RA: 0x0080, Z: 0x0040, AD: 0x0020, CD: 0x0010 } as const;
const OPCODE = 0x7800;
const RCODE = { NoError: 0, FormErr: 1, NotImp: 4, BadVers: 16 } as const;
const EXTENDED_ERROR = 15;
/** RFC 7828 §3.2.1: never over UDP. */
const KEEPALIVE = 11;
const MIN_UDP_BYTES = 512;
/** RFC 9715 §3.2: what we send at most, and advertise. */
const MAX_UDP_BYTES = 1232;
const MAX_EDE_TEXT_BYTES = 64;

export interface Exchange {
  readonly query: Uint8Array;
  readonly reading: Reading;
  readonly reply: Message;
  readonly replyBytes: number;
  /** Over a stream only the length prefix limits a reply. */
  readonly isDatagram: boolean;
  /** The question went upstream: then the rcode may be that of a server. */
  readonly isForwarded: boolean;
}

/** What is wrong with the reply. */
export function wrongInReply(exchange: Exchange): string[] {
  return [...wrongInHeader(exchange), ...wrongInQuestion(exchange), ...wrongInEdns(exchange), ...wrongRcode(exchange)];
}

function wrongInHeader({ query, reading, reply, replyBytes, isDatagram }: Exchange): string[] {
  const wrong: string[] = [];
  const asked = ((query[2] ?? 0) << 8) | (query[3] ?? 0);
  const { flags } = reply;
  if (reply.id !== (((query[0] ?? 0) << 8) | (query[1] ?? 0))) wrong.push('has another id');
  if ((flags & FLAG.QR) === 0) wrong.push('is a query');
  if ((flags & FLAG.RA) === 0 || (flags & FLAG.Z) !== 0) wrong.push('has wrong RA or Z');
  if (((flags ^ asked) & (OPCODE | FLAG.RD | FLAG.CD)) !== 0) wrong.push('does not copy opcode, RD and CD');
  const wantsAd = (asked & FLAG.AD) !== 0 || reading.message?.opt?.dnssecOk === true;
  if ((flags & FLAG.AD) !== 0 && !wantsAd) wrong.push('has AD, which nobody asked for');
  if ((flags & FLAG.TC) !== 0 && reply.records.length > 0) wrong.push('is truncated and has records all the same');
  if (isDatagram && replyBytes > sizeLimit(reading)) {
    wrong.push(`is ${replyBytes} bytes long, the client takes ${sizeLimit(reading)}`);
  }
  return wrong;
}

/** RFC 6891 §6.2.3. What is malformed may have had an OPT that could be read, and one that could not. */
function sizeLimit({ fate, message }: Reading): number {
  if (fate === 'malformed') return MAX_UDP_BYTES;
  return Math.min(Math.max(message?.opt?.payloadBytes ?? 0, MIN_UDP_BYTES), MAX_UDP_BYTES);
}

function wrongInQuestion({ query, reading, reply }: Exchange): string[] {
  const [echoed, second] = reply.questions;
  if (second !== undefined) return ['has two questions'];
  if (echoed === undefined) {
    return reading.fate === 'malformed' || reading.fate === 'other-opcode' ? [] : ['does not repeat the question'];
  }
  // Also what could not be read further was read up to there.
  const asked = query.subarray(12, 12 + echoed.bytes.length);
  return Buffer.from(echoed.bytes).equals(asked) ? [] : ['repeats another question'];
}

function wrongInEdns({ reading, reply, isDatagram }: Exchange): string[] {
  const { opt } = reply;
  const asked = reading.message?.opt;
  const isReadable = reading.fate !== 'malformed' && reading.fate !== 'other-opcode';
  if (isReadable && (opt === undefined) !== (asked === undefined)) return ['has OPT and the query not, or the reverse'];
  if (opt === undefined) return [];
  const wrong: string[] = [];
  if (opt.version !== 0 || opt.reserved !== 0) wrong.push('has an OPT of another version or with flags');
  if (isReadable && opt.dnssecOk !== asked?.dnssecOk) wrong.push('does not copy DO');
  const isOurs = ({ code }: { code: number }): boolean =>
    code === EXTENDED_ERROR || (code === KEEPALIVE && !isDatagram);
  if (!opt.options.every(isOurs)) wrong.push('has an option that we do not send');
  if (opt.options.some(({ data }) => data.length > 2 + MAX_EDE_TEXT_BYTES)) wrong.push('explains itself at length');
  return wrong;
}

function wrongRcode({ reading, reply, isForwarded }: Exchange): string[] {
  const { rcode } = reply;
  switch (reading.fate) {
    case 'malformed':
      return rcode === RCODE.FormErr ? [] : [`answers rcode ${rcode} to what is malformed`];
    case 'other-opcode':
      return rcode === RCODE.NotImp ? [] : [`answers rcode ${rcode} to another opcode`];
    case 'bad-version':
      return rcode === RCODE.BadVers ? [] : [`answers rcode ${rcode} to a later EDNS`];
    case 'plain':
      if (isForwarded) return [];
      return rcode === RCODE.FormErr || rcode === RCODE.BadVers ? [`refuses a plain query with rcode ${rcode}`] : [];
    case 'silent':
      return ['was not to be sent at all'];
    case 'odd':
      return [];
    default:
      return assertNever(reading.fate);
  }
}
