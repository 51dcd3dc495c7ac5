// A DNS message for people: what its header, its records and its Extended DNS Errors say, and the chain from the question to its end. Read by the
// strict parser of src/dns, since what stands in it came from the network.
import { ANSWER, Answer, parseAnswer, ROLE, SECTION } from '../../dns/answer.ts';
import { Chain, CHAIN, followChain } from '../../dns/chain.ts';
import { EDE, EDNS_OPTION, FLAG, HEADER_BYTES, typeName } from '../../dns/codes.ts';
import { rcodeOf, readFlags, readUint16 } from '../../dns/header.ts';
import { rcodeName } from '../../dns/codes.ts';
import { readName } from '../../dns/compressed-name.ts';
import { formatName } from '../../dns/name.ts';
import { escapedText, rdataText } from './rdata.ts';

export interface DnsMessage {
  readonly rcode: string;
  /** Those that are set: qr, aa, tc, rd, ra, ad, cd. */
  readonly flags: readonly string[];
  readonly ede: readonly ExtendedError[];
  /** Without OPT. */
  readonly records: readonly DnsRecord[];
  readonly bytes: number;
}

export interface ExtendedError {
  readonly code: number;
  /** As RFC 8914 calls it, or empty. */
  readonly name: string;
  readonly text: string;
}

export interface DnsRecord {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly name: string;
  readonly ttl: number;
  readonly type: string;
  readonly data: string;
}

const FLAGS = ['QR', 'AA', 'TC', 'RD', 'RA', 'AD', 'CD'] as const;
const edeNames = new Map<number, string>(Object.entries(EDE).map(([name, code]) => [code, words(name)]));

/** Undefined when it is no response. Of one that cannot be used as a whole the header is left. */
export function readMessage(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const answer = new Answer();
  const code = parseAnswer(bytes, 0, bytes.length, answer);
  if (code === ANSWER.NotAResponse) return undefined;
  const isWhole = code === ANSWER.Ok;
  const header = readFlags(bytes, 0);
  return {
    rcode: rcodeName(isWhole ? answer.rcode : rcodeOf(header)),
    flags: FLAGS.filter((flag) => (header & FLAG[flag]) !== 0).map((flag) => flag.toLowerCase()),
    ede: isWhole ? readErrors(bytes, answer) : [],
    records: isWhole ? readRecords(bytes, answer) : [],
    bytes: bytes.length,
  };
}

/** The CNAMEs from the question on, then what answers it at their end, in that order. Empty when there is no such thing. */
export function readChain(bytes: Uint8Array): readonly DnsRecord[] {
  const answer = new Answer();
  const chain = new Chain();
  if (parseAnswer(bytes, 0, bytes.length, answer) !== ANSWER.Ok) return [];
  if (followChain(bytes, answer, chain) !== CHAIN.Ok) return [];
  const asked = typeName(answer.qtype);
  const records = readRecords(bytes, answer);
  const links = new Map<string, DnsRecord>();
  const isLink = (i: number): boolean => answer.role[i] === ROLE.Link;
  records.forEach((record, i) => {
    if (isLink(i) && record.type === 'CNAME') links.set(record.name.toLowerCase(), record);
  });
  const ordered: DnsRecord[] = [];
  let name = nameAt(bytes, answer, HEADER_BYTES).toLowerCase();
  for (let link = links.get(name); link !== undefined && ordered.length < links.size; link = links.get(name)) {
    ordered.push(link);
    name = link.data.toLowerCase();
  }
  const end = records.filter(
    (record, i) => i < answer.answerRecords && record.type === asked && !isLink(i) && answer.role[i] !== ROLE.Foreign,
  );
  return [...ordered, ...end];
}

/** In the order of the message; OPT is the only one that is left out, and it stands in additional. */
function readRecords(bytes: Uint8Array, answer: Answer): DnsRecord[] {
  const indexes = Array.from({ length: answer.recordCount }, (_, i) => i).filter((i) => i !== answer.optIndex);
  return indexes.map((i) => ({
    section: sectionName(answer.section[i] ?? 0),
    name: nameAt(bytes, answer, answer.ownerOffset[i] ?? 0),
    ttl: answer.ttl[i] ?? 0,
    type: typeName(answer.type[i] ?? 0),
    data: rdataText(bytes, answer, i),
  }));
}

function sectionName(section: number): DnsRecord['section'] {
  if (section === SECTION.Answer) return 'answer';
  return section === SECTION.Authority ? 'authority' : 'additional';
}

/** RFC 8914 §2. */
function readErrors(bytes: Uint8Array, answer: Answer): ExtendedError[] {
  if (!answer.hasOpt) return [];
  const found: ExtendedError[] = [];
  const from = answer.rdataOffset[answer.optIndex] ?? 0;
  const end = from + (answer.rdataLength[answer.optIndex] ?? 0);
  for (let at = from; at + 4 <= end;) {
    const [option, length] = [readUint16(bytes, at), readUint16(bytes, at + 2)];
    const data = at + 4;
    at = data + length;
    if (option !== EDNS_OPTION.ExtendedError || length < 2) continue;
    const code = readUint16(bytes, data);
    found.push({ code, name: edeNames.get(code) ?? '', text: escapedText(bytes.subarray(data + 2, at)) });
  }
  return found;
}

function nameAt(bytes: Uint8Array, answer: Answer, at: number): string {
  const { cursor, scratch, start, end } = answer;
  cursor.work = 0; // nobody waits here
  return readName(bytes, start, end, at, scratch, 0, cursor) ? formatName(scratch) : '?';
}

/** `NoReachableAuthority` → `No Reachable Authority`. */
function words(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
}
