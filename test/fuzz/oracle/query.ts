// What becomes of a datagram that a client sends: which are never answered, which are refused for their form, and what all others ask.
import { CLASS_IN, SECTION, TYPE, tryMessage } from './message.ts';
import type { Message, Opt, Question } from './message.ts';

const QR = 0x8000;
const COOKIE = 10;
const CLIENT_SUBNET = 8;
const IXFR = 251;
/** More options or more bytes of them than any client sends may be refused (CVE-2026-41292): both ways are right above this. */
const MODEST = { options: 32, bytes: 512 };

/** `silent`: no answer, I8. `malformed`: FORMERR. `odd`: answered, but by which rcode is not ours to say. `plain`: one question, class IN. */
export type Fate = 'silent' | 'malformed' | 'other-opcode' | 'bad-version' | 'odd' | 'plain';

export interface Reading {
  readonly fate: Fate;
  readonly flags: number;
  /** Undefined for what is malformed. */
  readonly message: Message | undefined;
  readonly question: Question | undefined;
}

export function readQuery(bytes: Uint8Array): Reading {
  const flags = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  const nothing = { flags, message: undefined, question: undefined };
  if (bytes.length < 12 || (flags & QR) !== 0) return { fate: 'silent', ...nothing };
  if ((flags & 0x7800) !== 0) return { fate: 'other-opcode', ...nothing };
  const message = tryMessage(bytes, 'opaque');
  if (typeof message === 'string') return { fate: 'malformed', ...nothing };
  return { fate: fateOf(message), flags, message, question: message.questions[0] };
}

function fateOf({ questions, records, opt }: Message): Fate {
  const [question] = questions;
  if (questions.length !== 1 || question === undefined) return 'malformed'; // RFC 9619
  const inAuthority = records.filter(({ section }) => section === SECTION.authority).length;
  if (records.some(({ section }) => section === SECTION.answer)) return 'malformed';
  if (inAuthority > (question.type === IXFR ? 1 : 0)) return 'malformed'; // RFC 1995 §3
  const signature = records.findIndex(({ type }) => type === TYPE.TSIG || type === TYPE.SIG);
  const isLast = signature === records.length - 1 && (opt?.recordsBefore ?? 0) <= signature;
  if (signature >= 0 && !isLast) return 'malformed'; // RFC 8945 §5.1, RFC 2931 §3.1
  if (opt !== undefined && opt.version !== 0) return 'bad-version';
  if (opt !== undefined && !areOptionsGood(opt)) return 'malformed';
  const isOdd = signature >= 0 || (opt !== undefined && isImmodest(opt)) || question.class !== CLASS_IN;
  return isOdd ? 'odd' : 'plain';
}

function isImmodest({ options }: Opt): boolean {
  const bytes = options.reduce((sum, { data }) => sum + 4 + data.length, 0);
  return options.length > MODEST.options || bytes > MODEST.bytes;
}

/** RFC 7873 §4, RFC 7871 §6; two subnets are two claims of who asks (I9). */
function areOptionsGood({ options }: Opt): boolean {
  const cookies = options.filter(({ code }) => code === COOKIE);
  const subnets = options.filter(({ code }) => code === CLIENT_SUBNET);
  const isCookie = (length: number): boolean => length === 8 || (length >= 16 && length <= 40);
  return (
    cookies.every(({ data }) => isCookie(data.length)) &&
    subnets.length <= 1 &&
    subnets.every(({ data }) => isSubnet(data))
  );
}

function isSubnet(data: Uint8Array): boolean {
  const [high = 0, family = 0, prefix = 0, scope = 0, ...address] = data;
  const widest = [0, 32, 128][high === 0 ? family : 3];
  if (data.length < 4 || widest === undefined || prefix > widest || scope !== 0) return false;
  if (address.length !== Math.ceil(prefix / 8)) return false;
  const bits = address.map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return !bits.slice(prefix).includes('1');
}
