// Counting the TTLs of a message down where they stand.
import { writeUint32 } from './header.ts';

/**
 * Sets every TTL of the message at `at` (absolute) to `remainingSeconds`, which must be what is left of the *shortest* of them, already
 * capped: then no record outlives what its source said, and all of an RRset agree (RFC 2181 §5.2). `offsets` are relative to `at`.
 */
export function patchTtls(
  bytes: Uint8Array,
  at: number,
  offsets: Uint16Array,
  count: number,
  remainingSeconds: number,
): void {
  for (let i = 0; i < count; i++) writeUint32(bytes, at + offsets[i]!, remainingSeconds);
}

/** Seconds left of `ttlSeconds` after `elapsedSeconds`, 0 … `capSeconds`. A TTL of 2^31 and more is a long one, not a negative (RFC 8767 §4). */
export function remainingTtl(ttlSeconds: number, elapsedSeconds: number, capSeconds: number): number {
  return Math.max(0, Math.min(ttlSeconds, capSeconds) - elapsedSeconds);
}
