// What an upstream's message lets anybody be granted (I2): addresses of the asked type in the ANSWER section, class IN, NOERROR, at the end of an
// unbroken CNAME chain from the question. Which of them a pod gets is policy's part (node.ts).
import type { AddressHex } from './addresses.ts';
import { CLASS_IN, SECTION, TYPE } from './message.ts';
import type { Message, Rr } from './message.ts';
import { Malformed, NameReader } from './name.ts';
import { readHints } from './svcb.ts';

/** Design §1: "chains up to 11 links". */
const MAX_LINKS = 11;
const TC = 0x0200;
const QR = 0x8000;
/** RFC 2181 §10.1, RFC 4035 §2.5: what may stand beside a CNAME. */
const BESIDE_CNAME = new Set([24, 25, 30, 46, 47]); // SIG, KEY, NXT, RRSIG, NSEC

export interface Grantable {
  readonly addresses: readonly AddressHex[];
  /** The least of the chain and of its end (RFC 2181 §5.2); the top bit makes it huge, not negative (RFC 8767 §4). */
  readonly ttlSeconds: number;
}

const NOTHING: Grantable = { addresses: [], ttlSeconds: 0 };

/** `message` is well formed and answers the question that was asked. */
export function grantable(message: Message): Grantable {
  const [question] = message.questions;
  if (question === undefined || message.questions.length > 1 || question.class !== CLASS_IN) return NOTHING;
  if ((message.flags & QR) === 0 || (message.flags & TC) !== 0 || message.opcode !== 0) return NOTHING;
  if (message.rcode !== 0) return NOTHING;
  const answers = message.records.filter((record) => record.section === SECTION.answer && record.class === CLASS_IN);
  const end = followChain(answers, question.name.key, question.type);
  if (end === undefined) return NOTHING;
  const found = end.records.filter(({ type }) => type === question.type);
  const ttls = found.map(({ ttl }) => ttl);
  return {
    addresses: [...new Set(found.flatMap((record) => addressesIn(record)))],
    ttlSeconds: Math.min(end.ttlSeconds, ...ttls),
  };
}

/** The records that the last name of the chain owns; undefined when two readers could follow two ways, or none to its end. */
export function followChain(
  answers: readonly Rr[],
  from: string,
  qtype: number,
): { records: readonly Rr[]; ttlSeconds: number; links: number } | undefined {
  const ofOwner = Map.groupBy(answers, ({ owner }) => owner.key);
  const seen = new Set<string>();
  let ttlSeconds = Infinity;
  for (let at = from; ;) {
    if (seen.has(at) || seen.size > MAX_LINKS) return undefined;
    seen.add(at);
    const records = ofOwner.get(at) ?? [];
    const links = records.filter(({ type }) => type === TYPE.CNAME);
    const targets = new Set(links.map(targetOf));
    const [target] = targets;
    if (target === undefined) return { records, ttlSeconds, links: seen.size - 1 };
    if (targets.size > 1) return undefined;
    if (records.some(({ type }) => type !== TYPE.CNAME && !BESIDE_CNAME.has(type))) return undefined;
    if (qtype === TYPE.CNAME || qtype === 255) return { records, ttlSeconds, links: seen.size - 1 };
    // A record that is there twice is there once (RFC 2181 §5): which of the copies gives the TTL is open.
    ttlSeconds = Math.min(ttlSeconds, Math.max(...links.map(({ ttl }) => ttl)));
    at = target;
  }
}

function targetOf({ rdata }: Rr): string {
  const bytes = Buffer.from(`${'00'.repeat(12)}${rdata}`, 'hex');
  return new NameReader(bytes).read(12).key;
}

function addressesIn({ type, rdata }: Rr): AddressHex[] {
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA:
      return [rdata];
    case TYPE.HTTPS:
    case TYPE.SVCB:
      return hintsIn(rdata);
    default:
      return [];
  }
}

/** None in a record that is malformed. Those of AliasMode, which clients ignore (RFC 9460 §2.4.2), may be granted and need not be. */
function hintsIn(rdata: string): AddressHex[] {
  try {
    return readHints(Buffer.from(rdata, 'hex')).hints;
  } catch (error) {
    if (error instanceof Malformed) return [];
    throw error;
  }
}
