// What the world's DNS servers know: records that may change while they serve, and a zone of made-up names for load.
import type { Answer, Question } from 'dns-packet';
import { LOAD } from './topology.ts';

/** Everything that one name has. A name with CNAME has nothing else (RFC 1034 §3.6.2). */
export interface Records {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly CNAME?: string;
  readonly ttlSeconds: number;
}

export type Rcode = 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';

export interface Lookup {
  readonly rcode: Rcode;
  readonly answers: readonly Answer[];
}

const LONGEST_CHAIN = 16; // a loop in the records must end
const LOAD_NAME = new RegExp(`^n(\\d{1,8})\\.${LOAD.zone.replaceAll('.', '\\.')}$`);

export class Zone {
  readonly #records = new Map<string, Records>();
  readonly #failing = new Map<string, Rcode>();
  /** TTL of the load zone's names. */
  loadTtlSeconds = 60;

  publish(name: string, records: Records): void {
    this.#failing.delete(name.toLowerCase());
    this.#records.set(name.toLowerCase(), records);
  }

  /** Makes every question for `name` end with `rcode`. */
  fail(name: string, rcode: Rcode): void {
    this.#failing.set(name.toLowerCase(), rcode);
  }

  withdraw(name: string): void {
    this.#failing.delete(name.toLowerCase());
    this.#records.delete(name.toLowerCase());
  }

  lookup({ name, type }: Question): Lookup {
    const answers: Answer[] = [];
    let owner = name;
    for (let hops = 0; hops < LONGEST_CHAIN; hops++) {
      const rcode = this.#failing.get(owner.toLowerCase());
      if (rcode !== undefined) return { rcode, answers };
      const records = this.#records.get(owner.toLowerCase()) ?? loadRecords(owner.toLowerCase(), this.loadTtlSeconds);
      if (records === undefined) return { rcode: 'NXDOMAIN', answers };
      if (records.CNAME === undefined || type === 'CNAME') {
        answers.push(...answersOf(owner, type, records));
        return { rcode: 'NOERROR', answers };
      }
      answers.push({ name: owner, type: 'CNAME', ttl: records.ttlSeconds, data: records.CNAME });
      owner = records.CNAME;
    }
    return { rcode: 'SERVFAIL', answers: [] };
  }
}

function answersOf(name: string, type: Question['type'], records: Records): readonly Answer[] {
  const ttl = records.ttlSeconds;
  if (type === 'CNAME') return records.CNAME === undefined ? [] : [{ name, type, ttl, data: records.CNAME }];
  if (type !== 'A' && type !== 'AAAA') return [];
  return (records[type] ?? []).map((data) => ({ name, type, ttl, data }));
}

/** n0, n1, … each with addresses of its own: 11.0.0.0 + n and 2001:db8:1000:: + n. */
function loadRecords(name: string, ttlSeconds: number): Records | undefined {
  const digits = LOAD_NAME.exec(name)?.[1];
  if (digits === undefined) return undefined;
  const n = Number(digits);
  if (n >= 1 << 24) return undefined;
  const low = (n & 0xffff).toString(16);
  const high = (n >> 16).toString(16);
  return {
    A: [`11.${n >> 16}.${(n >> 8) & 255}.${n & 255}`],
    AAAA: [`${LOAD.v6}${high}:${low}`],
    ttlSeconds,
  };
}
