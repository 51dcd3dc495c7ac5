// A reply made of chosen records of an upstream's answer: what was not chosen is not in it, and nothing of the upstream's spelling
// (compression, order of OPT, letter case of the question) is either. It notes where every TTL stands, so that the same bytes can be
// served from a cache and counted down.
import type { Answer } from './answer.ts';
import { MAX_RECORDS, SECTION } from './answer.ts';
import { FLAG, HEADER_BYTES, TYPE } from './codes.ts';
import { MAX_LINKS } from './chain.ts';
import { markOf, readName } from './compressed-name.ts';
import type { Asked, Denial, Room } from './build-reply.ts';
import { beginReply, endWithOpt, OPT_BYTES } from './build-reply.ts';
import { writeAdditionalCount, writeAnswerCount, writeAuthorityCount, writeUint16, writeUint32 } from './header.ts';
import { equalNamesFolded } from './name.ts';
import { copyBytes, copyRdata } from './rdata.ts';
import { copyService } from './svcb.ts';

/** Names that owners can point to: the question's, each link's target, and three for a zone's SOA and name servers. */
const MAX_KNOWN_NAMES = MAX_LINKS + 4;
/** RFC 1035 §4.1.4: a pointer has 14 bits. */
const MAX_POINTER = 0x3fff;

/**
 * Writes one reply at a time: begin, add records section by section, end. Owners are compressed against whole names written before, at most
 * MAX_KNOWN_NAMES of them; a suffix is never searched for, so that encoding costs no more than its size (CVE-2024-8508).
 */
export class ReplyWriter {
  /** Where the TTLs stand, relative to the message's first byte, so that the message can be moved. OPT has none. */
  readonly ttlOffsets = new Uint16Array(MAX_RECORDS);
  ttlCount = 0;
  /** Absolute offset behind what is written so far. */
  at = 0;
  #room: Room | undefined;
  #asked: Asked | undefined;
  #limit = 0;
  /** What `end` hands on; reused, so that ending allocates nothing. */
  readonly #ending: { rcode: number; ede: Denial['ede'] } = { rcode: 0, ede: undefined };
  readonly #counts = new Uint16Array(3);
  readonly #knownAt = new Uint16Array(MAX_KNOWN_NAMES);
  readonly #knownMark = new Uint32Array(MAX_KNOWN_NAMES);
  readonly #knownLength = new Uint8Array(MAX_KNOWN_NAMES);
  #known = 0;
  /** The owner written last, as the answer's ownerLabel, and the pointer to it: an RRset names its owner once. */
  #lastLabel = -1;
  #lastPointer = 0;

  /**
   * Header and question. `extraFlags` may hold AA and AD of an upstream that is trusted with them. False when it does not fit; room for the
   * client's OPT is kept.
   */
  begin(room: Room, asked: Asked, rcode: number, extraFlags: number): boolean {
    this.#room = room;
    this.#asked = asked;
    this.#ending.rcode = rcode;
    this.#lastLabel = -1;
    this.#limit = room.limit - (asked.hasOpt ? OPT_BYTES : 0);
    this.#counts.fill(0);
    this.#known = 0;
    this.ttlCount = 0;
    this.at = beginReply(room, asked, rcode, extraFlags & (FLAG.AA | FLAG.AD));
    if (this.at < 0 || this.at > this.#limit) return false;
    if (asked.questionLength > 0) this.#know(HEADER_BYTES, asked.questionLength - 4);
    return true;
  }

  /**
   * Adds record `i` of `answer` with this TTL. Records come in the order of their sections, all from one answer. False when it does not fit, and
   * then nothing of it counts: the caller ends with buildTruncated instead. OPT and TSIG belong to one hop and are passed over.
   */
  add(bytes: Uint8Array, answer: Answer, i: number, ttlSeconds: number): boolean {
    const room = this.#room;
    if (room === undefined || this.ttlCount >= MAX_RECORDS) return false;
    if (answer.type[i] === TYPE.OPT || answer.type[i] === TYPE.TSIG) return true;
    const out = room.bytes;
    const knownBefore = this.#known;
    const fixed = this.#writeOwner(bytes, answer, i, out);
    const copy = answer.isEdited[i] === 0 ? copyRdata : copyService;
    const end = fixed < 0 ? -1 : copy(bytes, answer, i, out, fixed + 10, this.#limit);
    if (end < 0) {
      this.#known = knownBefore; // what was written there is not part of the message
      this.#lastLabel = -1;
      return false;
    }
    writeUint16(out, fixed, answer.type[i]!);
    writeUint16(out, fixed + 2, answer.class[i]!);
    writeUint32(out, fixed + 4, ttlSeconds);
    writeUint16(out, fixed + 8, end - fixed - 10);
    if (answer.type[i] === TYPE.CNAME) this.#know(fixed + 10 - room.at, end - fixed - 10);
    this.ttlOffsets[this.ttlCount++] = fixed + 4 - room.at;
    this.#counts[answer.section[i]!]!++;
    this.at = end;
    return true;
  }

  /** Writes the counts and the client's OPT with the error, if one is given and fits. The message's length, or 0 without a begin. */
  end(ede: Denial['ede']): number {
    const room = this.#room;
    const asked = this.#asked;
    if (room === undefined || asked === undefined || this.at < 0) return 0;
    const additional = this.#counts[SECTION.Additional]!;
    writeAnswerCount(room.bytes, room.at, this.#counts[SECTION.Answer]!);
    writeAuthorityCount(room.bytes, room.at, this.#counts[SECTION.Authority]!);
    writeAdditionalCount(room.bytes, room.at, additional);
    this.#room = undefined;
    if (!asked.hasOpt) return this.at - room.at;
    this.#ending.ede = ede;
    const length = endWithOpt(room, asked, this.at, this.#ending);
    writeAdditionalCount(room.bytes, room.at, additional + 1);
    return length;
  }

  /** The owner of record `i`: a pointer to a name that the message has, else the name in full. The offset behind it, or -1. */
  #writeOwner(bytes: Uint8Array, answer: Answer, i: number, out: Uint8Array): number {
    const label = answer.ownerLabel[i]!;
    if (label === this.#lastLabel) return this.#writePointer(out, label, this.#lastPointer);
    const { scratch, cursor } = answer;
    if (!readName(bytes, answer.start, answer.end, answer.ownerOffset[i]!, scratch, 0, cursor)) return -1;
    const length = cursor.lengthBytes;
    const mark = markOf(scratch, 0, 0);
    const start = this.#room!.at;
    for (let known = 0; known < this.#known; known++) {
      if (this.#knownMark[known] !== mark || this.#knownLength[known] !== length) continue;
      const relative = this.#knownAt[known]!;
      if (equalNamesFolded(out, start + relative, scratch, 0, length)) return this.#writePointer(out, label, relative);
    }
    const end = copyBytes(scratch, 0, length, out, this.at, this.#limit);
    if (end >= 0) this.#knowNew(this.at - start, length, mark);
    return end;
  }

  #writePointer(out: Uint8Array, label: number, relative: number): number {
    if (this.at + 2 > this.#limit) return -1;
    writeUint16(out, this.at, 0xc000 | relative);
    this.#lastLabel = label;
    this.#lastPointer = relative;
    return this.at + 2;
  }

  #know(relative: number, length: number): void {
    const { bytes, at } = this.#room!;
    this.#knowNew(relative, length, markOf(bytes, 0, at + relative));
  }

  #knowNew(relative: number, length: number, mark: number): void {
    // A pointer is two bytes and would lengthen the root.
    if (this.#known >= MAX_KNOWN_NAMES || relative > MAX_POINTER || length <= 2) return;
    this.#knownAt[this.#known] = relative;
    this.#knownMark[this.#known] = mark;
    this.#knownLength[this.#known] = length;
    this.#known++;
  }
}
