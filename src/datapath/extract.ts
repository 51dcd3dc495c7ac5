// Stage 5: an upstream's message → what may be answered and what may be granted. Only addresses at the end of an unbroken CNAME chain
// from the question count (I2); only they, and that chain, are shown for names that a rule grants (I3).
import { familyOf } from '../base/ip.ts';
import { ROLE, SECTION } from '../dns/answer.ts';
import { CHAIN, followChain } from '../dns/chain.ts';
import { FLAG, RCODE, TYPE } from '../dns/codes.ts';
import type { Plane } from './plane.ts';
import type { ReplyBody, StoredAnswer } from './state/answer-store.ts';
import { NAME_BYTES, QUESTION_BYTES } from './state/query-slots.ts';

const ADDRESS_BYTES = 16;
const NO_ADDRESSES = new Uint8Array(0);
const FOR_EVER = 0xffff_ffff;

/**
 * The message in plane.answer (parsed, its question matched) as an answer to `slot`; undefined when its chain is a loop, too long or
 * contradicts itself, which makes the whole message unusable. Allocates: it runs once per answer of an upstream, not per reply.
 */
export function extract(plane: Plane, slot: number, bytes: Uint8Array): StoredAnswer | undefined {
  const { answer, chain, slots } = plane;
  if (followChain(bytes, answer, chain) !== CHAIN.Ok) return undefined;
  const addresses = admissibleAddresses(plane, bytes);
  const isAnswer = answer.rcode === RCODE.NoError;
  const withheld = isAnswer ? chain.addresses - addresses.length / ADDRESS_BYTES : 0;
  const maxTtl = plane.settings.lifetimes.maxTtlMs / 1000;
  const ttlSeconds = isPositive(plane) ? Math.min(chain.minTtl, maxTtl) : 0;
  load(plane, slot);
  const plain = rewrite(plane, bytes, -1);
  if (plain === undefined) return undefined;
  const judged = isShownWhole(plane, ttlSeconds) ? plain : rewrite(plane, bytes, ttlSeconds);
  if (judged === undefined) return undefined;
  const start = slot * NAME_BYTES;
  return {
    name: slots.folded.slice(start, start + slots.qnameLength[slot]!),
    qtype: slots.qtype[slot]!,
    dnssecOk: slots.dnssecOk[slot]!,
    checkingDisabled: (slots.flags[slot]! & FLAG.CD) !== 0 ? 1 : 0,
    rcode: answer.rcode,
    plain,
    judged,
    addresses,
    withheld,
    ttlSeconds,
    notedFor: 0,
    notedUntilMs: 0,
    storedMs: plane.nowMs,
    expiryMs: plane.nowMs + Math.min(leastTtl(plain), ttlSeconds) * 1000,
  };
}

/** True when the answer may be kept for others: positive, whole, and valid for at least a second (R5, R7). */
export function isCacheable(plane: Plane, stored: StoredAnswer): boolean {
  return stored.rcode === RCODE.NoError && isPositive(plane) && stored.expiryMs > plane.nowMs;
}

/** True when something in the answer section belongs to the question. */
function isPositive({ chain }: Plane): boolean {
  return chain.links + chain.addresses + chain.owned > 0;
}

function admissibleAddresses(plane: Plane, bytes: Uint8Array): Uint8Array {
  const { answer, chain, neverGranted } = plane;
  if (chain.addresses === 0) return NO_ADDRESSES;
  const isAnswer = answer.rcode === RCODE.NoError;
  const found = new Uint8Array(chain.addresses * ADDRESS_BYTES);
  let at = 0;
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.role[i] !== ROLE.Address) continue;
    const rdata = answer.rdataOffset[i]!;
    const isV6 = answer.type[i] === TYPE.AAAA;
    found.fill(0, at, at + ADDRESS_BYTES);
    if (!isV6) found[at + 10] = found[at + 11] = 0xff;
    const length = isV6 ? 16 : 4;
    for (let b = 0; b < length; b++) found[at + ADDRESS_BYTES - length + b] = bytes[rdata + b]!;
    // ::ffff:a.b.c.d leaves the pod as IPv4 (V10): in an AAAA record it is never honest.
    const isMapped = isV6 && familyOf(found, at) === 4;
    if (!isAnswer || isMapped || neverGranted.includes(found, at)) answer.role[i] = ROLE.Foreign;
    else at += ADDRESS_BYTES;
  }
  // No subarray: a view would give the small array on the JavaScript heap a buffer of its own outside it, which costs a malloc.
  return at === found.length ? found : found.slice(0, at);
}

/** True when a granted name's reply is what upstream said: nothing is left out, and its TTLs agree already. */
function isShownWhole(plane: Plane, ttlSeconds: number): boolean {
  const { answer } = plane;
  for (let i = 0; i < answer.recordCount; i++) {
    if (i === answer.optIndex) continue;
    if (!isShownWhenGranted(plane, i)) return false;
    if (answer.section[i] === SECTION.Answer && answer.ttl[i] !== ttlSeconds) return false;
  }
  return true;
}

function isShownWhenGranted(plane: Plane, i: number): boolean {
  const { answer } = plane;
  if (answer.section[i] === SECTION.Additional) return false; // glue: addresses that nobody judged
  if (answer.section[i] === SECTION.Authority) return !carriesAddresses(answer.type[i]!);
  switch (answer.role[i]) {
    case ROLE.Link:
    case ROLE.Address:
      return true;
    case ROLE.Owned:
      return !carriesAddresses(answer.type[i]!);
    default:
      return false;
  }
}

function carriesAddresses(type: number): boolean {
  return type === TYPE.A || type === TYPE.AAAA || type === TYPE.SVCB || type === TYPE.HTTPS;
}

/**
 * Writes the reply's body: every record with its own TTL, or, with `ttlSeconds` ≥ 0, only what is shown for granted names, and the answer
 * section with that TTL.
 */
function rewrite(plane: Plane, bytes: Uint8Array, ttlSeconds: number): ReplyBody | undefined {
  const { answer, replyWriter: writer, room, rewritten } = plane;
  room.bytes = rewritten;
  room.at = 0;
  room.limit = rewritten.length;
  const isJudged = ttlSeconds >= 0;
  // An answer that was edited is not the one that was authenticated (R12).
  const flags = isJudged ? answer.flags & ~FLAG.AD : answer.flags;
  if (!writer.begin(room, plane.asked, answer.rcode & 0xf, flags)) return undefined;
  for (let i = 0; i < answer.recordCount; i++) {
    if (i === answer.optIndex || (isJudged && !isShownWhenGranted(plane, i))) continue;
    const isUniform = isJudged && answer.section[i] === SECTION.Answer;
    if (!writer.add(bytes, answer, i, isUniform ? ttlSeconds : answer.ttl[i]!)) return undefined;
  }
  const length = writer.end(undefined);
  const ttlOffsets = writer.ttlOffsets.slice(0, writer.ttlCount);
  const ttls = new Uint32Array(writer.ttlCount);
  const view = new DataView(rewritten.buffer);
  for (let i = 0; i < ttls.length; i++) ttls[i] = view.getUint32(ttlOffsets[i]!);
  return { bytes: rewritten.slice(0, length), ttlOffsets, ttls };
}

/** The question as the body's own; replies get their client's spelling of it when they are sent. */
function load(plane: Plane, slot: number): void {
  const { asked, slots } = plane;
  const start = slot * QUESTION_BYTES;
  asked.id = 0;
  asked.flags = 0;
  asked.hasOpt = false;
  asked.dnssecOk = false;
  asked.questionLength = slots.qnameLength[slot]! + 4;
  for (let i = 0; i < asked.questionLength; i++) asked.qname[i] = slots.question[start + i]!;
}

function leastTtl(body: ReplyBody): number {
  return body.ttls.reduce((least, ttl) => Math.min(least, ttl), FOR_EVER);
}
