// How long an upstream's answer may be kept for others, and the TTLs that go with that. No stage: extract.ts asks it, and it reads the message
// and its chain.
import type { Answer } from '../dns/answer.ts';
import { ROLE } from '../dns/answer.ts';
import type { Chain } from '../dns/chain.ts';
import { CLASS, RCODE, TYPE } from '../dns/codes.ts';
import { readName } from '../dns/compressed-name.ts';
import { readUint32 } from '../dns/header.ts';
import { equalNamesFolded } from '../dns/name.ts';
import type { Zone } from './state/zone.ts';

/** RFC 8767 §4: a TTL with its top bit set is a huge one; seven days are the most that any means. */
const MAX_TTL_SECONDS = 604_800;
/**
 * RFC 2308 §5 allows three hours. A forged or hasty NXDOMAIN should not close a name for that long (A24), and asking again every half minute
 * costs little. The cluster's names come and go with its Services, and so do names with search suffixes, which are in its zone too: it has
 * servers of its own, and they are near.
 */
const MAX_NEGATIVE_SECONDS = { anywhere: 30, zoneOfItsOwn: 5 };
const ROOT_BYTES = 1;
/** Records of one set stand together in honest answers, or with a few others between them. */
const LOOK_BACK = 16;
const FOR_EVER = 0xffff_ffff;

/** Seconds for which a negative answer may be kept at most, when `zone` is the one whose servers were asked. */
export function mostNegativeSeconds(zone: Zone | undefined): number {
  const isOwn = zone !== undefined && zone.name.length > ROOT_BYTES;
  return isOwn ? MAX_NEGATIVE_SECONDS.zoneOfItsOwn : MAX_NEGATIVE_SECONDS.anywhere;
}

/**
 * Seconds for which the answer may be kept, after its chain was followed; 0: not at all, `negativeSeconds` at most if it is negative. Lowers the
 * TTLs in the index of the message to what they mean: seven days at most, the least of their set, and the SOA's of a negative answer to how
 * long that is valid.
 */
export function settleTtls(bytes: Uint8Array, answer: Answer, chain: Chain, negativeSeconds: number): number {
  for (let i = 0; i < answer.recordCount; i++) lower(answer, i, MAX_TTL_SECONDS);
  levelSets(answer);
  const hasAnswer = answersQuestion(answer);
  if (answer.rcode === RCODE.NoError && hasAnswer) return leastTtl(answer);
  if (hasAnswer || (answer.rcode !== RCODE.NoError && answer.rcode !== RCODE.NXDomain)) return 0;
  return limitSoa(bytes, answer, chain, negativeSeconds) ? leastTtl(answer) : 0;
}

/** RFC 2181 §5.2: a set whose TTLs differ has the least of them. There and back, so that the least reaches a set of any length. */
function levelSets(answer: Answer): void {
  for (let i = 1; i < answer.answerRecords; i++) levelWithBefore(answer, i);
  for (let i = answer.answerRecords - 1; i > 0; i--) levelWithBefore(answer, i);
}

function levelWithBefore(answer: Answer, i: number): void {
  for (let j = Math.max(0, i - LOOK_BACK); j < i; j++) {
    if (answer.ttl[i] === answer.ttl[j] || !areOfOneSet(answer, i, j)) continue; // nearly always the first
    lower(answer, i, answer.ttl[j]!);
    lower(answer, j, answer.ttl[i]!);
  }
}

/** By the mark of their owners: two names with the same would only have their TTLs lowered. Signatures are no set (RFC 4034 §3). */
function areOfOneSet({ type, class: classes, ownerMark, ownerLength }: Answer, i: number, j: number): boolean {
  if (type[i] !== type[j] || type[i] === TYPE.RRSIG || classes[i] !== classes[j]) return false;
  return ownerMark[i] === ownerMark[j] && ownerLength[i] === ownerLength[j];
}

/** True when there is a record of the asked type at a name of the chain. */
function answersQuestion(answer: Answer): boolean {
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.role[i] !== ROLE.Foreign && answer.type[i] === answer.qtype) return true;
  }
  return false;
}

/**
 * RFC 2308 §5: a negative answer is valid for the lesser of its SOA's TTL and MINIMUM, and without a SOA not at all. False, too, when a SOA is
 * of a zone that the chain's last name is not in: it says nothing about that.
 */
function limitSoa(bytes: Uint8Array, answer: Answer, chain: Chain, mostSeconds: number): boolean {
  let hasSoa = false;
  for (let i = answer.answerRecords; i < answer.answerRecords + answer.authorityRecords; i++) {
    if (answer.type[i] !== TYPE.SOA || answer.class[i] !== CLASS.IN) continue;
    if (!isOwnerAbove(bytes, answer, i, chain)) return false;
    const minimum = readUint32(bytes, answer.rdataOffset[i]! + answer.rdataLength[i]! - 4);
    lower(answer, i, Math.min(minimum, mostSeconds));
    hasSoa = true;
  }
  return hasSoa;
}

/** True when the owner of record `i` is the chain's last name or one above it. */
function isOwnerAbove(bytes: Uint8Array, answer: Answer, i: number, { name, nameLength }: Chain): boolean {
  const { scratch, cursor } = answer;
  const length = answer.ownerLength[i]!;
  let at = 0;
  while (nameLength - at > length) at += 1 + name[at]!;
  if (nameLength - at !== length) return false;
  if (!readName(bytes, answer.start, answer.end, answer.ownerOffset[i]!, scratch, 0, cursor)) return false;
  return equalNamesFolded(scratch, 0, name, at, length);
}

/** Of the records that are passed on. */
function leastTtl({ recordCount, type, ttl }: Answer): number {
  let least = FOR_EVER;
  for (let i = 0; i < recordCount; i++) {
    if (type[i] !== TYPE.OPT && type[i] !== TYPE.TSIG) least = Math.min(least, ttl[i]!);
  }
  return least;
}

function lower({ ttl }: Answer, i: number, seconds: number): void {
  ttl[i] = Math.min(ttl[i]!, seconds);
}
