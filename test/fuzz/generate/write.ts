// The records of an answer as bytes. Names are written out, or point to where the same name, or its end, stood before: in owners, and in rdata that
// is nothing but a name.
import type { Bytes } from '../../unit/dns/message.ts';
import { pointer, record } from '../../unit/dns/message.ts';
import type { QueryAsk } from './queries.ts';

const HEADER_BYTES = 12;
const LARGEST_POINTER = 0x3fff;
const ONE_NAME = new Set([2, 5, 12, 39]); // NS, CNAME, PTR, DNAME

export const COMPRESSION = ['none', 'whole names', 'ends of names'] as const;
export type Compression = (typeof COMPRESSION)[number];

/** A record before it is written. */
export interface Told {
  readonly owner: Bytes;
  readonly type: number;
  readonly class?: number;
  readonly ttl: number;
  readonly rdata: Bytes;
}

export interface Story {
  readonly answers: readonly Told[];
  readonly authority: readonly Told[];
  readonly additional: readonly Told[];
}

export function writeStory(story: Story, { qname }: QueryAsk, compression: Compression): Record<keyof Story, Bytes[]> {
  const names = new Names(compression);
  let at = HEADER_BYTES;
  names.write(qname, at);
  at += qname.length + 4;
  const write = (told: Told): Bytes => {
    const owner = names.write(told.owner, at);
    const rdata = ONE_NAME.has(told.type) ? names.write(told.rdata, at + owner.length + 10) : told.rdata;
    const bytes = record({ ...told, owner, rdata });
    at += bytes.length;
    return bytes;
  };
  return {
    answers: story.answers.map(write),
    authority: story.authority.map(write),
    additional: story.additional.map(write),
  };
}

class Names {
  readonly #compression: Compression;
  /** Where each name stands. */
  readonly #places = new Map<string, number>();

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  /** The name as it is written at `at`, which is noted. */
  write(name: Bytes, at: number): Bytes {
    if (this.#compression === 'none') return name;
    for (let from = 0; from < name.length - 1; from += 1 + (name[from] ?? 0)) {
      const end = name.slice(from).join();
      const place = this.#places.get(end);
      if (place !== undefined) return [...name.slice(0, from), ...pointer(place)];
      if (at + from <= LARGEST_POINTER) this.#places.set(end, at + from);
      if (this.#compression === 'whole names') return name;
    }
    return name;
  }
}
