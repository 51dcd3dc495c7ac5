// What a reply shows: records that an upstream said to this very question, and, where a rule grants the name, no address that the kernel has not got
// for this pod (I1, I3, I4, design §6).
import { isNeverGranted, textOf } from './addresses.ts';
import type { AddressHex } from './addresses.ts';
import type { Known } from './answers.ts';
import { CLASS_IN, TYPE } from './message.ts';
import type { Message, Rr } from './message.ts';
import { Malformed } from './name.ts';
import { classesFor, isGrantedName, mayAsk, sourcesFor } from './node.ts';
import type { FuzzPod } from './node.ts';
import type { Reading } from './query.ts';
import { readHints } from './svcb.ts';

/** Jiffies and doubles. */
const SLACK_MS = 1;
const SYNTHESIZED = new Set<number>([TYPE.CNAME, TYPE.DNAME]);
/** Answered without an upstream (RFC 6761 and kin, RFC 8482). */
const LOCAL_ZONES = ['localhost', 'invalid', 'onion', 'alt', 'test', 'local', 'home.arpa', 'resolver.arpa'];
const HINFO = 13;

export interface Shown {
  /** Who asked, when it is a pod. */
  readonly pod: FuzzPod | undefined;
  readonly reading: Reading;
  readonly reply: Message;
  readonly known: readonly Known[];
  readonly leftMs: (set: string, key: string) => number;
}

interface Wrong {
  readonly kind: string;
  readonly text: string;
}

export function wrongInShown(shown: Shown): Wrong[] {
  const { reply, pod, reading } = shown;
  if (reply.records.length === 0) return [];
  const labels = reading.question?.name.labels;
  if (labels === undefined) return [wrong('records', 'has records, and the question could not be read')];
  if (isLocal(labels)) return [];
  if (pod === undefined || !mayAsk(pod, labels)) {
    return [wrong('records for who may not ask', 'has records of a name that the client may not ask')];
  }
  const out = wrongRecords(shown);
  return isGrantedName(pod, labels) ? [...out, ...wrongAddresses(shown, pod, labels)] : out;
}

/** Nothing is in the reply that no upstream said to this question, and for no longer than it said. */
function wrongRecords({ reply, known }: Shown): Wrong[] {
  const said = new Map<string, number>();
  for (const record of known.flatMap(({ message }) => message.records)) {
    said.set(textOfRecord(record), Math.max(said.get(textOfRecord(record)) ?? 0, record.ttl));
  }
  const hasDname = known.some(({ message }) => message.records.some(({ type }) => type === TYPE.DNAME));
  return reply.records.flatMap((record) => {
    const ttl = said.get(textOfRecord(record));
    const isMade = record.type === HINFO || (hasDname && SYNTHESIZED.has(record.type));
    if (ttl === undefined)
      return isMade
        ? []
        : [wrong('record from nowhere', `shows type ${record.type} ${record.rdata}, which no upstream said`)];
    return record.ttl <= ttl ? [] : [wrong('longer TTL', `shows a TTL of ${record.ttl}, upstream said ${ttl}`)];
  });
}

/** What the client sees of a granted name is what the kernel allows, for as long as the reply says. */
function wrongAddresses(shown: Shown, pod: FuzzPod, labels: readonly string[]): Wrong[] {
  return shown.reply.records.flatMap((record) => {
    if (record.class !== CLASS_IN) return [];
    const addresses = addressesOf(record);
    if (addresses === undefined) return [wrong('malformed service', 'shows a service that no reader can be sure of')];
    return addresses.flatMap((address) => wrongAddress(shown, { pod, labels, address, ttl: record.ttl }));
  });
}

interface ShownAddress {
  readonly pod: FuzzPod;
  readonly labels: readonly string[];
  readonly address: AddressHex;
  readonly ttl: number;
}

function wrongAddress({ leftMs }: Shown, { pod, labels, address, ttl }: ShownAddress): Wrong[] {
  const text = textOf(address);
  if (isNeverGranted(address)) return [wrong('protected address', `shows ${text}, which nobody may have`)];
  const classes = classesFor(pod, labels, address);
  const sources = sourcesFor(pod, address);
  if (classes.length === 0) return [wrong('closed address', `shows ${text}, which no rule opens`)];
  if (sources.length === 0) return [wrong('address of no family', `shows ${text} to a pod without such an address`)];
  return classes.flatMap((portClass) =>
    sources.flatMap((source) => {
      const left = leftMs(`grants${address.length === 8 ? 4 : 6}_${portClass}`, `${source}${address}`);
      const where = `${textOf(source)} (${portClass})`;
      if (left === 0) return [wrong('not granted', `shows ${text}, which ${where} has not got`)];
      if (left + SLACK_MS >= ttl * 1000) return [];
      return [wrong('granted too short', `shows ${text} for ${ttl} s, which ${where} has for ${left} ms`)];
    }),
  );
}

/** Undefined for a record that one client may read and another not. */
function addressesOf({ type, rdata }: Rr): AddressHex[] | undefined {
  if (type === TYPE.A || type === TYPE.AAAA) return [rdata];
  if (type !== TYPE.SVCB && type !== TYPE.HTTPS) return [];
  try {
    const { isAlias, hints } = readHints(Buffer.from(rdata, 'hex'));
    return isAlias ? [] : hints; // RFC 9460 §2.4.2
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function isLocal(labels: readonly string[]): boolean {
  const name = `.${labels.join('.').toLowerCase()}`;
  return LOCAL_ZONES.some((zone) => name.endsWith(`.${zone}`));
}

/** Of a service without its hints, which may be taken out of it (R24); those that are left are judged as addresses. */
function textOfRecord({ owner, type, class: klass, rdata }: Rr): string {
  const isService = type === TYPE.SVCB || type === TYPE.HTTPS;
  return `${owner.key} ${type} ${klass} ${isService ? withoutHints(rdata) : rdata}`;
}

function withoutHints(rdata: string): string {
  try {
    return readHints(Buffer.from(rdata, 'hex')).rest;
  } catch (error) {
    if (error instanceof Malformed) return rdata;
    throw error;
  }
}

function wrong(kind: string, text: string): Wrong {
  return { kind, text };
}
