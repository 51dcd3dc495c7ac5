// Which records of an answer belong to its question: the unbroken chain of CNAMEs from the question's name, and the addresses at its
// end (RFC 1034 §3.6.2). Everything else in the answer section is foreign, whoever signed or sent it. A DNAME leads nowhere by itself: the
// CNAME that was made from it must be there (RFC 6672 §3.1), and must be the one that follows from it.
import type { Answer } from './answer.ts';
import { ROLE } from './answer.ts';
import { CLASS, HEADER_BYTES, MAX_NAME_BYTES, TYPE } from './codes.ts';
import { equalsFolded, markOf, MAX_NAME_WORK, readName, skipName } from './compressed-name.ts';
import { foldName } from './name.ts';
import { isService } from './svcb.ts';

/** Links of a chain. Unbound's iter-scrub-cname stops at the same number; honest chains have one to five. */
export const MAX_LINKS = 11;

/** Ok, or why the whole answer must become SERVFAIL. */
export const CHAIN = {
  Ok: 0,
  /** More than MAX_LINKS links. */
  TooLong: 1,
  Loop: 2,
  /** Two different CNAMEs, a CNAME and other data, or a CNAME and a DNAME that disagree: two readers would follow two ways (RFC 2181 §10.1). */
  Bogus: 3,
  WorkCap: 4,
} as const;

/** Where a chain led. One instance is reused. */
export class Chain {
  /** CNAMEs followed, 0 … MAX_LINKS. */
  links = 0;
  /** Records with role Address. */
  addresses = 0;
  /** Records with role Service. */
  services = 0;
  /** Records with role Owned or Service. */
  owned = 0;
  /** Seconds: the least TTL of all records that are not foreign (RFC 2181 §5.2), 2^32 − 1 when there is none. */
  minTtl = 0xffffffff;
  /** The chain's last name, folded, in plain form: the question's own when there are no links. */
  readonly name = new Uint8Array(MAX_NAME_BYTES);
  nameLength = 0;
  /** Index of the CNAME that the current name owns, -1 without one. */
  cname = -1;
  /** The current name owns something that may not stand beside a CNAME. */
  hasOtherData = false;
}

/**
 * Follows the chain from the question of `answer` (parseAnswer said Ok for it; the caller has matched the question), gives each record of
 * the answer section its role and fills in `chain`. A code of CHAIN; after any but Ok the roles must not be used. Records may stand in any
 * order. A gap ends the chain: what comes after it is foreign.
 */
export function followChain(bytes: Uint8Array, answer: Answer, chain: Chain): number {
  chain.links = 0;
  chain.addresses = 0;
  chain.services = 0;
  chain.owned = 0;
  chain.minTtl = 0xffffffff;
  for (let i = 0; i < answer.answerRecords; i++) answer.role[i] = ROLE.Foreign;
  if (!nameFrom(bytes, answer, answer.start + HEADER_BYTES, chain)) return CHAIN.WorkCap;
  // RFC 1034 §3.6.2: a question for the CNAME itself, or for every type, is answered at the first name.
  const isChainAsked = answer.qtype !== TYPE.CNAME && answer.qtype !== TYPE.ANY;
  for (;;) {
    let code = claim(bytes, answer, chain);
    if (code !== CHAIN.Ok) return code;
    if (chain.cname >= 0 && chain.hasOtherData) return CHAIN.Bogus;
    code = claimDnames(bytes, answer, chain);
    if (code !== CHAIN.Ok) return code;
    if (chain.cname < 0) return CHAIN.Ok;
    if (!isChainAsked) return CHAIN.Ok;
    if (++chain.links > MAX_LINKS) return CHAIN.TooLong;
    if (!nameFrom(bytes, answer, answer.rdataOffset[chain.cname]!, chain)) return CHAIN.WorkCap;
  }
}

/** Gives a role to every record that the chain's current name owns. */
function claim(bytes: Uint8Array, answer: Answer, chain: Chain): number {
  const mark = markOf(chain.name, 0, 0);
  let equalLabel = 0; // an owner at this offset is known to be equal; no name starts at 0
  chain.cname = -1;
  chain.hasOtherData = false;
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.ownerMark[i] !== mark || answer.ownerLength[i] !== chain.nameLength) continue;
    // Exactly IN: 0x8001 is multicast DNS's way to say IN, and some readers mask its top bit away.
    if (answer.class[i] !== CLASS.IN) continue;
    const label = answer.ownerLabel[i]!;
    if (label !== equalLabel) {
      answer.cursor.work += chain.nameLength >> 3;
      const isEqual = equalsFolded(bytes, answer.start, label, chain.name, answer.cursor);
      if (answer.cursor.work > MAX_NAME_WORK) return CHAIN.WorkCap;
      if (!isEqual) continue;
      equalLabel = label;
    }
    const code = give(bytes, answer, i, chain);
    if (code !== CHAIN.Ok) return code;
  }
  return CHAIN.Ok;
}

function give(bytes: Uint8Array, answer: Answer, i: number, chain: Chain): number {
  const type = answer.type[i]!;
  if (type === TYPE.CNAME && chain.cname >= 0) {
    return isSameTarget(bytes, answer, chain.cname, i) ? CHAIN.Ok : notSame(answer);
  }
  if (type === TYPE.CNAME) {
    // Links are marked once; to find one again is to have come back to its name.
    if (answer.role[i] === ROLE.Link) return CHAIN.Loop;
    chain.cname = i;
    answer.role[i] = ROLE.Link;
  } else if (type === answer.qtype && (type === TYPE.A || type === TYPE.AAAA)) {
    answer.role[i] = ROLE.Address;
    chain.addresses++;
    chain.hasOtherData = true;
  } else if (type === TYPE.DNAME && answer.qtype !== TYPE.DNAME) {
    chain.hasOtherData = true; // RFC 6672 §2.4; it is about the names below this one, not about this one
    return CHAIN.Ok;
  } else if (type === answer.qtype && isService(type)) {
    answer.role[i] = ROLE.Service;
    chain.services++;
    chain.owned++;
    chain.hasOtherData = true;
  } else {
    answer.role[i] = ROLE.Owned;
    chain.owned++;
    if (!mayStandBesideCname(type)) chain.hasOtherData = true;
  }
  chain.minTtl = Math.min(chain.minTtl, answer.ttl[i]!);
  return CHAIN.Ok;
}

/**
 * The DNAMEs above the chain's current name: where the name has a CNAME each of them must have made it, and is shown with it. Without a CNAME
 * nothing follows from them; two of one owner that lead elsewhere are refused all the same.
 */
function claimDnames(bytes: Uint8Array, answer: Answer, chain: Chain): number {
  let first = -1;
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.type[i] !== TYPE.DNAME || answer.class[i] !== CLASS.IN) continue;
    const isAbove = isOwnerAbove(bytes, answer, i, chain);
    if (answer.cursor.work > MAX_NAME_WORK) return CHAIN.WorkCap;
    if (!isAbove) continue;
    // Owners above one name that are as long as each other are the same.
    const isSecond = first >= 0 && answer.ownerLength[i] === answer.ownerLength[first];
    if (isSecond && !isSameTarget(bytes, answer, first, i)) return notSame(answer);
    if (first < 0) first = i;
    if (chain.cname < 0) continue;
    if (!isMadeBy(bytes, answer, i, chain)) return notSame(answer);
    if (isSecond) continue;
    answer.role[i] = ROLE.Link;
    chain.minTtl = Math.min(chain.minTtl, answer.ttl[i]!);
  }
  return CHAIN.Ok;
}

/** Whether the owner of record `i` is a proper ancestor of the chain's current name. */
function isOwnerAbove(bytes: Uint8Array, answer: Answer, i: number, { name, nameLength }: Chain): boolean {
  const { cursor, scratch } = answer;
  const suffixAt = nameLength - answer.ownerLength[i]!;
  let at = 0;
  while (at < suffixAt) at += 1 + name[at]!;
  cursor.work += 1 + (nameLength >> 3);
  if (suffixAt <= 0 || at !== suffixAt || markOf(name, 0, at) !== answer.ownerMark[i]) return false;
  for (let b = at; b < nameLength; b++) scratch[b - at] = name[b]!;
  return equalsFolded(bytes, answer.start, answer.ownerLabel[i]!, scratch, cursor);
}

/** Whether the chain's CNAME leads where DNAME `i` does: the owner at the end of the name replaced by the target (RFC 6672 §2.2). */
function isMadeBy(bytes: Uint8Array, answer: Answer, i: number, { name, nameLength, cname }: Chain): boolean {
  const { cursor, scratch, start, end } = answer;
  const target = answer.rdataOffset[i]!;
  const prefix = nameLength - answer.ownerLength[i]!;
  if (!skipName(bytes, start, end, target, cursor) || prefix + cursor.lengthBytes > MAX_NAME_BYTES) return false;
  for (let b = 0; b < prefix; b++) scratch[b] = name[b]!;
  if (!readName(bytes, start, end, target, scratch, prefix, cursor)) return false;
  foldName(scratch, prefix, cursor.lengthBytes);
  return equalsFolded(bytes, start, answer.rdataOffset[cname]!, scratch, cursor);
}

/** RFC 2181 §10.1 (SIG, NXT, KEY), RFC 4035 §2.5 (RRSIG, NSEC). */
function mayStandBesideCname(type: number): boolean {
  switch (type) {
    case TYPE.RRSIG:
    case TYPE.NSEC:
    case TYPE.SIG:
    case TYPE.NXT:
    case TYPE.KEY:
      return true;
    default:
      return false;
  }
}

/** RFC 2181 §5: a record that is there twice is there once. The second copy stays foreign. */
function isSameTarget(bytes: Uint8Array, answer: Answer, a: number, b: number): boolean {
  const { cursor, scratch, start, end } = answer;
  if (!readName(bytes, start, end, answer.rdataOffset[a]!, scratch, 0, cursor)) return false;
  foldName(scratch, 0, cursor.lengthBytes);
  cursor.work += cursor.lengthBytes >> 3;
  return equalsFolded(bytes, start, answer.rdataOffset[b]!, scratch, cursor);
}

function notSame(answer: Answer): number {
  return answer.cursor.work > MAX_NAME_WORK ? CHAIN.WorkCap : CHAIN.Bogus;
}

/** Makes the name at `offset` the chain's current one. It was accepted before, so that only the work cap can refuse it now. */
function nameFrom(bytes: Uint8Array, answer: Answer, offset: number, chain: Chain): boolean {
  const { cursor } = answer;
  if (!readName(bytes, answer.start, answer.end, offset, chain.name, 0, cursor)) return false;
  chain.nameLength = cursor.lengthBytes;
  foldName(chain.name, 0, chain.nameLength);
  return cursor.work <= MAX_NAME_WORK;
}
