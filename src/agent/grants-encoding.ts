// How grants-file.ts writes lookups down: the bytes of the file, and their reading. Whole, or a problem; never a part. No files here.
import { createHash } from 'node:crypto';

/** What a pod looked up. */
export interface SavedLookup {
  /** Whose it is (kernel/ruleset.ts, owner): 32 hexadecimal digits. */
  readonly owner: string;
  /** Folded wire name. */
  readonly name: Uint8Array;
  /** 16 byte addresses, one after the other. */
  readonly addresses: Uint8Array;
  /** CLOCK_MONOTONIC of the machine, not of a thread. */
  readonly untilMs: number;
}

export interface SavedHead {
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
  /** Of the policies. */
  readonly generation: number;
  /** CLOCK_MONOTONIC of the machine. */
  readonly savedAtMs: number;
}

export interface SavedLookups extends SavedHead {
  readonly lookups: readonly SavedLookup[];
}

// The file: magic, version (uint32), count (uint32), generation, savedAtMs (float64), boot id (36 characters, 4 zeros), the lookups, and
// SHA-256 over all of that. A lookup: untilMs (float64), owner (16 bytes), addresses (uint16), bytes of the name (uint8), 0, name,
// addresses. Numbers are little-endian.
const MAGIC = 'nwgrants';
const VERSION = 1; // raise it when an older file would read as something else
const AT = { version: 8, count: 12, generation: 16, savedAt: 24, bootId: 32 } as const;
const BOOT_ID_BYTES = 36;
export const HEAD_BYTES = 72;
const LOOKUP_BYTES = 28;
const OWNER_BYTES = 16;
const ADDRESS_BYTES = 16;
export const DIGEST_BYTES = 32;
/** What is put together at once, between two turns of the event loop: less than a millisecond. */
const PIECE_BYTES = 64 * 1024;

/**
 * The first `count` lookups, without the digest that ends the file; in pieces, so that others can have their turn between them. Throws
 * RangeError for a lookup that cannot be written.
 */
export function* encode(head: SavedHead, lookups: readonly SavedLookup[], count: number): Generator<Buffer> {
  let piece = Buffer.alloc(PIECE_BYTES);
  piece.write(MAGIC, 'latin1');
  piece.writeUInt32LE(VERSION, AT.version);
  piece.writeUInt32LE(count, AT.count);
  piece.writeDoubleLE(head.generation, AT.generation);
  piece.writeDoubleLE(head.savedAtMs, AT.savedAt);
  piece.write(head.bootId, AT.bootId, BOOT_ID_BYTES, 'latin1');
  let at = HEAD_BYTES;
  for (let i = 0; i < count; i++) {
    const lookup = lookups[i];
    if (lookup === undefined) break;
    const length = lengthOf(lookup);
    if (at + length > piece.length) {
      yield piece.subarray(0, at);
      piece = Buffer.alloc(Math.max(PIECE_BYTES, length));
      at = 0;
    }
    writeLookup(piece, at, lookup);
    at += length;
  }
  yield piece.subarray(0, at);
}

function writeLookup(piece: Buffer, at: number, { untilMs, owner, name, addresses }: SavedLookup): void {
  const isWhole = piece.write(owner, at + 8, OWNER_BYTES, 'hex') === OWNER_BYTES && owner.length === 2 * OWNER_BYTES;
  if (!isWhole || name.length > 255 || addresses.length % ADDRESS_BYTES !== 0) {
    throw new RangeError(`Cannot write a lookup of "${owner}": its owner, name or addresses are of a wrong length`);
  }
  piece.writeDoubleLE(untilMs, at);
  piece.writeUInt16LE(addresses.length / ADDRESS_BYTES, at + 24);
  piece.writeUInt8(name.length, at + 26);
  piece.set(name, at + LOOKUP_BYTES);
  piece.set(addresses, at + LOOKUP_BYTES + name.length);
}

export function lengthOf({ name, addresses }: SavedLookup): number {
  return LOOKUP_BYTES + name.length + addresses.length;
}

/** The content of a file, or why it cannot be used. */
export function decode(bytes: Buffer, bootId: string): SavedLookups | { readonly problem: string } {
  const end = bytes.length - DIGEST_BYTES;
  if (end < HEAD_BYTES) return { problem: `it has ${bytes.length} bytes, too few` };
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return { problem: 'it is no file of lookups' };
  const version = bytes.readUInt32LE(AT.version);
  if (version !== VERSION) return { problem: `it is of version ${version}, and this one reads ${VERSION}` };
  const digest = createHash('sha256').update(bytes.subarray(0, end)).digest();
  if (!digest.equals(bytes.subarray(end))) return { problem: 'its checksum is wrong' };
  const savedBootId = bytes.toString('latin1', AT.bootId, AT.bootId + BOOT_ID_BYTES);
  if (savedBootId !== bootId) return { problem: 'the machine has been started again since' };
  const lookups: SavedLookup[] = [];
  let at = HEAD_BYTES;
  for (let left = bytes.readUInt32LE(AT.count); left > 0; left--) {
    const next = at + LOOKUP_BYTES <= end ? at + lengthAt(bytes, at) : Number.POSITIVE_INFINITY;
    if (next > end) return { problem: 'it says that it holds more than it does' };
    lookups.push(lookupAt(bytes, at));
    at = next;
  }
  if (at !== end) return { problem: 'it holds more than it says' };
  const generation = bytes.readDoubleLE(AT.generation);
  return { bootId, generation, savedAtMs: bytes.readDoubleLE(AT.savedAt), lookups };
}

function lookupAt(bytes: Buffer, at: number): SavedLookup {
  const nameAt = at + LOOKUP_BYTES;
  const nameEnd = nameAt + bytes.readUInt8(at + 26);
  return {
    untilMs: bytes.readDoubleLE(at),
    owner: bytes.toString('hex', at + 8, at + 8 + OWNER_BYTES),
    name: new Uint8Array(bytes.subarray(nameAt, nameEnd)),
    addresses: new Uint8Array(bytes.subarray(nameEnd, at + lengthAt(bytes, at))),
  };
}

function lengthAt(bytes: Buffer, at: number): number {
  return LOOKUP_BYTES + bytes.readUInt8(at + 26) + bytes.readUInt16LE(at + 24) * ADDRESS_BYTES;
}
