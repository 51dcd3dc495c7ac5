// A keyed hash of names for tables that hold names from the network: without the key nobody can choose names that collide.

/**
 * HalfSipHash-1-3 of `length` bytes, 0 … 2^32 − 1. It is what Linux uses for its hash tables on 32-bit machines (Documentation/
 * security/siphash.rst): only 32-bit operations, so nothing here leaves the integers of a JavaScript engine. `seed` is a random
 * 32-bit number of this process; names must be folded first, or spellings of one name hash apart.
 */
export function hashName(bytes: Uint8Array, offset: number, length: number, seed: number): number {
  return halfSipHash(bytes, offset, length, seed, Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b);
}

/** HalfSipHash-1-3 with both words of its key (published test vectors exist for this form). */
export function halfSipHash(bytes: Uint8Array, offset: number, length: number, key0: number, key1: number): number {
  let v0 = key0 | 0;
  let v1 = key1 | 0;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  const wholeEnd = offset + (length & ~3);
  const tail = length & 3;
  let rounds = 0; // the last word and the three finishing rounds come after the whole words
  for (let at = offset; rounds < 4;) {
    let word = 0;
    if (at < wholeEnd) {
      word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      at += 4;
    } else if (rounds++ === 0) {
      word = length << 24;
      if (tail > 2) word |= bytes[at + 2]! << 16;
      if (tail > 1) word |= bytes[at + 1]! << 8;
      if (tail > 0) word |= bytes[at]!;
    } else if (rounds === 2) {
      v2 ^= 0xff;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
