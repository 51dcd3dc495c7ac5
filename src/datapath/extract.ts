// Stage 5: an upstream's message → what may be answered and what may be granted. Only addresses at the end of an unbroken CNAME chain
// from the question count (I2); only they, and that chain, are shown for names that a rule grants (I3).
import { familyOf } from '../base/ip.ts';
import { ANSWER, parseAnswer, ROLE, SECTION } from '../dns/answer.ts';
import { CHAIN, followChain } from '../dns/chain.ts';
import { FLAG, RCODE, TYPE } from '../dns/codes.ts';
import type { Plane } from './plane.ts';
import type { DraftBody } from './state/answer-draft.ts';
import { ANY_CLASS } from './state/answer-ranges.ts';
import type { Opening } from './state/answer-ranges.ts';
import { NAME_BYTES, QUESTION_BYTES } from './state/query-slots.ts';
import { mostNegativeSeconds, settleTtls } from './validity.ts';

const ADDRESS_BYTES = 16;

/**
 * The message in plane.answer (parsed, its question matched) as an answer to `slot`, into plane.draft. False when its chain is a loop, too
 * long or contradicts itself, which makes the whole message unusable.
 */
export function extract(plane: Plane, slot: number, bytes: Uint8Array): boolean {
  return judge(plane, slot, bytes, undefined);
}

/**
 * The same of what upstream said in a stored answer, with the addresses that the slot's verdict opens and most do not: what is cached is what
 * every pod may be granted, and the few that may be granted more read it again. False when there are none.
 */
export function extractOpened(plane: Plane, slot: number, stored: number): boolean {
  const { store, draft } = plane;
  const { opens } = plane.verdicts[slot]!;
  if (opens === undefined || store.withheld(stored) === 0) return false;
  const start = store.bodyAt(stored, false);
  const end = start + store.bodyBytes(stored, false);
  if (parseAnswer(store.bytes, start, end, plane.answer) !== ANSWER.Ok) return false;
  if (!judge(plane, slot, store.bytes, opens)) return false;
  draft.storedMs = store.storedMs(stored);
  return true;
}

function judge(plane: Plane, slot: number, bytes: Uint8Array, opens: readonly Opening[] | undefined): boolean {
  const { answer, chain, draft, slots } = plane;
  if (followChain(bytes, answer, chain) !== CHAIN.Ok) return false;
  const zone = plane.upstreams.zoneOf(slots.folded, slot * NAME_BYTES, slots.qnameLength[slot]!);
  const validSeconds = settleTtls(bytes, answer, chain, mostNegativeSeconds(zone));
  const isAnswer = answer.rcode === RCODE.NoError;
  draft.rcode = answer.rcode;
  plane.ranges.about(slots.folded, slot * NAME_BYTES, slots.qnameLength[slot]!);
  draft.addressCount = chain.addresses === 0 ? 0 : copyAdmissible(plane, bytes, opens);
  draft.withheld = isAnswer ? chain.addresses - draft.addressCount : 0;
  const maxTtl = plane.settings.lifetimes.maxTtlMs / 1000;
  draft.ttlSeconds = Math.min(hasChain(plane) ? chain.minTtl : validSeconds, maxTtl);
  load(plane, slot);
  if (!rewrite(plane, bytes, -1, draft.plain)) return false;
  draft.isShownWhole = isShownWhole(plane, draft.ttlSeconds);
  if (!draft.isShownWhole && !rewrite(plane, bytes, draft.ttlSeconds, draft.judged)) return false;
  draft.storedMs = plane.nowMs;
  draft.expiryMs = plane.nowMs + Math.min(validSeconds, draft.ttlSeconds) * 1000;
  return true;
}

/** True when the answer in plane.draft may be kept for others: what validity.ts gives at least a second (R5, R7). */
export function isCacheable({ draft, nowMs }: Plane): boolean {
  return draft.expiryMs > nowMs;
}

/** True when something in the answer section belongs to the question: the CNAME that was asked for itself is no link. */
function hasChain({ chain }: Plane): boolean {
  return chain.links + chain.addresses + chain.owned > 0 || chain.cname >= 0;
}

/** Copies the addresses that may be granted to plane.draft and strikes the others from the answer; how many there are. */
function copyAdmissible(plane: Plane, bytes: Uint8Array, opens: readonly Opening[] | undefined): number {
  const { answer, ranges } = plane;
  const { addresses: found } = plane.draft;
  const isAnswer = answer.rcode === RCODE.NoError;
  let at = 0;
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.role[i] !== ROLE.Address) continue;
    const rdata = answer.rdataOffset[i]!;
    const isV6 = answer.type[i] === TYPE.AAAA;
    const length = isV6 ? 16 : 4;
    for (let b = 0; b < ADDRESS_BYTES - length; b++) found[at + b] = b < 10 ? 0 : 0xff;
    for (let b = 0; b < length; b++) found[at + ADDRESS_BYTES - length + b] = bytes[rdata + b]!;
    // ::ffff:a.b.c.d leaves the pod as IPv4 (V10): in an AAAA record it is never honest.
    const isMapped = isV6 && familyOf(found, at) === 4;
    if (!isAnswer || isMapped || !ranges.mayGrant(opens, ANY_CLASS, found, at)) answer.role[i] = ROLE.Foreign;
    else at += ADDRESS_BYTES;
  }
  return at / ADDRESS_BYTES;
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
 * section with that TTL. False when it does not fit.
 */
function rewrite(plane: Plane, bytes: Uint8Array, ttlSeconds: number, body: DraftBody): boolean {
  const { answer, replyWriter: writer, room } = plane;
  room.bytes = body.bytes;
  room.at = 0;
  room.limit = body.bytes.length;
  const isJudged = ttlSeconds >= 0;
  // An answer that was edited is not the one that was authenticated (R12).
  const flags = isJudged ? answer.flags & ~FLAG.AD : answer.flags;
  if (!writer.begin(room, plane.asked, answer.rcode & 0xf, flags)) return false;
  for (let i = 0; i < answer.recordCount; i++) {
    if (i === answer.optIndex || (isJudged && !isShownWhenGranted(plane, i))) continue;
    const isUniform = isJudged && answer.section[i] === SECTION.Answer;
    if (!writer.add(bytes, answer, i, isUniform ? ttlSeconds : answer.ttl[i]!)) return false;
  }
  body.length = writer.end(undefined);
  body.ttls = writer.ttlCount;
  for (let i = 0; i < body.ttls; i++) body.ttlOffsets[i] = writer.ttlOffsets[i]!;
  return true;
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
