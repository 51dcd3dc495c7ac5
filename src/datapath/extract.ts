// Stage 5: an upstream's message → what may be answered and what may be granted. Only addresses at the end of an unbroken CNAME chain
// from the question count (I2); only they, and that chain, are shown for names that a rule grants (I3).
import { ADDRESS_BYTES, familyOf } from '../base/ip.ts';
import { ANSWER, parseAnswer, ROLE, SECTION } from '../dns/answer.ts';
import { CHAIN, followChain } from '../dns/chain.ts';
import { FLAG, RCODE, TYPE } from '../dns/codes.ts';
import { readFlags, writeFlags, writeId } from '../dns/header.ts';
import { isService } from '../dns/svcb.ts';
import { FAMILY, takeAdmissible } from './admissible.ts';
import type { Plane } from './plane.ts';
import type { DraftBody } from './state/answer-draft.ts';
import type { Opening } from './state/answer-ranges.ts';
import { NAME_BYTES, QUESTION_BYTES } from './state/query-slots.ts';
import { mostNegativeSeconds, settleTtls } from './validity.ts';

/**
 * The message in plane.answer (parsed, its question matched) as an answer to `slot`, into plane.draft. False when its chain is a loop, too
 * long or contradicts itself, which makes the whole message unusable.
 */
export function extract(plane: Plane, slot: number, bytes: Uint8Array): boolean {
  return judge(plane, slot, bytes, undefined, FAMILY.Both);
}

/**
 * The same of what upstream said in a stored answer, with the addresses that the slot's verdict opens and most do not, and without hints of a
 * family that its pod has no address of: what is cached is what pods of both families may be granted, and those that may be granted more or
 * less read it again. False when the stored answer is right as it is.
 */
export function extractOpened(plane: Plane, slot: number, stored: number): boolean {
  const { store, draft } = plane;
  const { opens } = plane.verdicts[slot]!;
  const families = isService(plane.slots.qtype[slot]!) ? familiesOf(plane, slot) : FAMILY.Both;
  const isOpened = opens !== undefined && store.withheld(stored) > 0;
  if (!isOpened && !hasOthers(plane, slot, stored, families)) return false;
  const start = store.bodyAt(stored, false);
  const end = start + store.bodyBytes(stored, false);
  if (parseAnswer(store.bytes, start, end, plane.answer) !== ANSWER.Ok) return false;
  if (!judge(plane, slot, store.bytes, opens, families)) return false;
  draft.storedMs = store.storedMs(stored);
  return true;
}

/** Whether the stored answer grants the slot's name addresses of other families than these. */
function hasOthers(plane: Plane, slot: number, stored: number, families: number): boolean {
  const { store } = plane;
  if (families === FAMILY.Both || plane.verdicts[slot]!.classes.length === 0) return false;
  const count = store.addressCount(stored);
  for (let i = 0, at = store.addressesAt(stored); i < count; i++, at += ADDRESS_BYTES) {
    if ((families & (familyOf(store.bytes, at) === 4 ? FAMILY.Ipv4 : FAMILY.Ipv6)) === 0) return true;
  }
  return false;
}

function familiesOf({ pods, slots }: Plane, slot: number): number {
  const pod = slots.pod[slot]!;
  const ipv4 = pods.addresses(pod, 4).length > 0 ? FAMILY.Ipv4 : 0;
  return pods.addresses(pod, 6).length > 0 ? ipv4 | FAMILY.Ipv6 : ipv4;
}

function judge(
  plane: Plane,
  slot: number,
  bytes: Uint8Array,
  opens: readonly Opening[] | undefined,
  families: number,
): boolean {
  const { answer, chain, draft, slots } = plane;
  if (followChain(bytes, answer, chain) !== CHAIN.Ok) return false;
  const zone = plane.upstreams.zoneOf(slots.folded, slot * NAME_BYTES, slots.qnameLength[slot]!);
  const validSeconds = settleTtls(bytes, answer, chain, mostNegativeSeconds(zone));
  draft.rcode = answer.rcode;
  load(plane, slot);
  if (!rewrite(plane, bytes, -1, draft.plain)) return false; // while nothing is struck from it yet
  plane.ranges.about(slots.folded, slot * NAME_BYTES, slots.qnameLength[slot]!);
  takeAdmissible(plane, bytes, opens, families);
  const maxTtl = plane.settings.lifetimes.maxTtlMs / 1000;
  draft.ttlSeconds = Math.min(hasChain(plane) ? chain.minTtl : validSeconds, maxTtl);
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

/** True when a granted name's reply is what upstream said: nothing is left out, and its TTLs agree already. */
function isShownWhole(plane: Plane, ttlSeconds: number): boolean {
  const { answer } = plane;
  for (let i = 0; i < answer.recordCount; i++) {
    if (i === answer.optIndex) continue;
    if (!isShownWhenGranted(plane, i) || answer.isEdited[i] !== 0) return false;
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
    case ROLE.Service:
      return true;
    case ROLE.Owned:
      return !carriesAddresses(answer.type[i]!);
    default:
      return false;
  }
}

function carriesAddresses(type: number): boolean {
  return type === TYPE.A || type === TYPE.AAAA || isService(type);
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
  const bodyBegin = writer.at;
  let answerEnd = 0;
  let authorityEnd = 0;
  let isAuthorityNeeded = answer.rcode !== RCODE.NoError;
  for (let i = 0; i < answer.recordCount; i++) {
    if (i === answer.optIndex || (isJudged && !isShownWhenGranted(plane, i))) continue;
    const section = answer.section[i]!;
    if (section !== SECTION.Answer) answerEnd ||= writer.at;
    if (section === SECTION.Additional) authorityEnd ||= writer.at;
    else if (section === SECTION.Authority) isAuthorityNeeded ||= answerEnd === bodyBegin || isProof(answer.type[i]!);
    const isUniform = isJudged && section === SECTION.Answer;
    if (!writer.add(bytes, answer, i, isUniform ? ttlSeconds : answer.ttl[i]!)) return false;
  }
  const needed = isAuthorityNeeded ? authorityEnd : answerEnd;
  const end = writer.at;
  body.length = writer.end(undefined);
  markNeeded(body.bytes, needed || end, isAuthorityNeeded);
  body.ttls = writer.ttlCount;
  for (let i = 0; i < body.ttls; i++) body.ttlOffsets[i] = writer.ttlOffsets[i]!;
  return true;
}

/**
 * RFC 2181 §9: a reply is truncated when what is needed of it does not fit; the rest is left out. How much is needed stands where the client's id
 * will be, and whether authority belongs to it in the bit Z that no reply has.
 */
function markNeeded(bytes: Uint8Array, lengthBytes: number, isAuthorityNeeded: boolean): void {
  writeId(bytes, 0, lengthBytes);
  if (!isAuthorityNeeded) writeFlags(bytes, 0, readFlags(bytes, 0) | FLAG.Z);
}

/** Without them nobody can check an answer from a wildcard (RFC 4035 §3.1.3.3). */
function isProof(type: number): boolean {
  return type === TYPE.NSEC || type === TYPE.NSEC3;
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
