// The recent lookups in a file, to be married to the kernel's grants at the next start. The file is whole, of this version and of this boot
// of the machine (its clock starts anew), or nothing of it is used. It never opens anything by itself: addresses come from the kernel.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decode, DIGEST_BYTES, encode, HEAD_BYTES, lengthOf } from './grants-encoding.ts';
import type { SavedHead, SavedLookup, SavedLookups } from './grants-encoding.ts';

/** As much as the data plane keeps of lookups (datapath/state/lookups.ts). */
const MOST_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Replaces the file at `path` whole, readable by its owner alone; the folder must be there. One call at a time. Answers how many lookups
 * at the end of the list were left out: those beyond 64 MiB. Throws what the file system throws, and RangeError for a lookup that cannot be
 * written; then the old file stays.
 */
export async function writeLookups(path: string, head: SavedHead, lookups: readonly SavedLookup[]): Promise<number> {
  const count = countThatFits(lookups);
  const temporary = `${path}.new`;
  await rm(temporary, { force: true }); // it would keep the rights that it has
  const file = await open(temporary, 'wx', 0o600);
  let isWritten = false;
  try {
    const hash = createHash('sha256');
    for (const piece of encode(head, lookups, count)) {
      hash.update(piece);
      await writeAll(file, piece);
    }
    await writeAll(file, hash.digest());
    await file.sync();
    isWritten = true;
  } finally {
    await file.close();
    if (!isWritten) await rm(temporary, { force: true }); // the disk may be full
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync(); // without it the rename may not outlive a power cut
  } finally {
    await folder.close();
  }
  return lookups.length - count;
}

/** The file's content, or why there is none that can be used. Never throws, never a part of it. */
export async function readLookups(path: string, bootId: string): Promise<SavedLookups | { readonly problem: string }> {
  let bytes: Buffer;
  try {
    bytes = await readBounded(path);
  } catch (error) {
    return { problem: `it cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
  return decode(bytes, bootId);
}

function countThatFits(lookups: readonly SavedLookup[]): number {
  let room = MOST_FILE_BYTES - HEAD_BYTES - DIGEST_BYTES;
  let count = 0;
  for (const lookup of lookups) {
    room -= lengthOf(lookup);
    if (room < 0) break;
    count++;
  }
  return count;
}

/** A write may be cut short by a full disk or a signal. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
}

async function readBounded(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size > MOST_FILE_BYTES) throw new Error(`it has ${size} bytes, and ${MOST_FILE_BYTES} are the most`);
    const bytes = Buffer.alloc(size);
    let read = 0;
    while (read < size) {
      const { bytesRead } = await file.read(bytes, read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}
