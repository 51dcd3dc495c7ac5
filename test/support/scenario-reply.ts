// The words of a `reply` statement, compared with a reply. What they do not mention must not be there; TTLs, CNAMEs and AA are compared
// only when they are mentioned.
import type { Message, MessageRecord } from './scenario-message.ts';
import { bytesOf } from './scenario-text.ts';
import type { Words } from './scenario-text.ts';

const TC = 0x0200;
const AA = 0x0400;
const AD = 0x0020;

type Comparable = string | number | boolean | undefined | readonly (string | number)[];

interface Expected {
  rcode: string;
  addresses: string[];
  cnames: string[];
  /** TYPE of every other record. */
  others: string[];
  /** `TYPE RDATA` of some of them. */
  rdata: string[];
  /** `TYPE PRIORITY TARGET PARAMETERS` of these. */
  services: string[];
  flags: Set<string>;
  ttl?: number;
  ede?: number;
  case?: string;
  id?: number;
}

/** What differs; empty when the reply is as the words say. */
export function compareReply(words: Words, reply: Message): string[] {
  const expected = readExpected(words);
  const differences: string[] = [];
  const compare = (what: string, want: Comparable, got: Comparable) => {
    if (textOf(want) !== textOf(got)) differences.push(`${what} ${textOf(want)} expected, ${textOf(got)} found`);
  };
  compare('rcode', expected.rcode, reply.rcode);
  compare('addresses', expected.addresses, ofTypes(reply, ['A', 'AAAA']).map(addressText));
  if (expected.cnames.length > 0)
    compare(
      'CNAMEs',
      expected.cnames,
      ofTypes(reply, ['CNAME']).map(({ rdata }) => rdata),
    );
  const others = reply.records.filter(({ type }) => !['A', 'AAAA', 'CNAME'].includes(type));
  if (expected.services.length > 0) {
    const services = ofTypes(reply, ['HTTPS', 'SVCB']).map(({ type, rdata }) => `${type} ${rdata}`);
    compare('services', expected.services, services);
  }
  compare('other records', expected.others.toSorted(), others.map(({ type }) => type).toSorted());
  const rdata = others.map((each) => `${each.type} ${each.rdata}`);
  for (const want of expected.rdata) if (!rdata.includes(want)) differences.push(`no record ${want}`);
  if (expected.ttl !== undefined) {
    compare('TTL', expected.ttl, [...new Set(reply.records.map(({ ttl }) => ttl))]);
  }
  compare('Extended DNS Error', expected.ede, reply.opt?.ede[0]);
  compare('TC', expected.flags.has('tc'), (reply.flags & TC) !== 0);
  compare('AD', expected.flags.has('ad'), (reply.flags & AD) !== 0);
  if (expected.flags.has('aa')) compare('AA', true, (reply.flags & AA) !== 0);
  if (expected.flags.has('not-aa')) compare('AA', false, (reply.flags & AA) !== 0);
  if (expected.flags.has('no-question')) compare('question', undefined, reply.question?.name);
  if (expected.case !== undefined) compare('name', expected.case, reply.question?.name);
  if (expected.id !== undefined) compare('id', expected.id, reply.id);
  return differences;
}

/**
 * `RCODE`, then in any order: ADDRESS, `additional ADDRESS` (or authority), `CNAME name`, `HTTPS PRIORITY TARGET PARAMETERS` (or SVCB),
 * `record TYPE`, `rdata TYPE RDATA` (the same with its bytes in hexadecimal, or its name), `ttl N` (of every record), `ede N`, `tc`, `ad`,
 * `aa`, `not-aa`, `no-question`, `case NAME`, `id N`.
 */
function readExpected(words: Words): Expected {
  const expected: Expected = {
    rcode: words.next('an rcode'),
    addresses: [],
    cnames: [],
    others: [],
    rdata: [],
    services: [],
    flags: new Set(),
  };
  while (!words.isEmpty) {
    const word = words.next('');
    switch (word) {
      case 'CNAME':
        expected.cnames.push(words.next('a name'));
        break;
      case 'record':
        expected.others.push(words.next('a type'));
        break;
      case 'rdata': {
        const type = words.next('a type');
        expected.others.push(type);
        expected.rdata.push(`${type} ${rdataOf(words.next('hexadecimal bytes or a name'))}`);
        break;
      }
      case 'HTTPS':
      case 'SVCB':
        expected.others.push(word);
        expected.services.push(
          [word, ...['a priority', 'a target', 'parameters or -'].map((what) => words.next(what))].join(' '),
        );
        break;
      case 'additional':
      case 'authority':
        expected.addresses.push(`${word} ${words.next('an address')}`);
        break;
      case 'ttl':
        expected.ttl = words.number('seconds');
        break;
      case 'ede':
        expected.ede = words.number('a code');
        break;
      case 'id':
        expected.id = words.number('an id');
        break;
      case 'case':
        expected.case = words.next('a name');
        break;
      default:
        if (['tc', 'ad', 'aa', 'not-aa', 'no-question'].includes(word)) expected.flags.add(word);
        else if (/[.:]/.test(word)) expected.addresses.push(...range(word));
        else throw new Error(`"${word}" is not understood in a reply`);
    }
  }
  return expected;
}

function textOf(value: Comparable): string {
  return (typeof value === 'object' ? value.join(' ') : String(value ?? '')) || 'none';
}

/** A name has a dot; `-` is no byte at all. */
function rdataOf(word: string): string {
  return word.includes('.') ? word : Buffer.from(bytesOf(word.replace(/^-$/, ''))).toString('hex');
}

function ofTypes(reply: Message, types: readonly string[]): MessageRecord[] {
  return reply.records.filter(({ type }) => types.includes(type));
}

function addressText({ section, rdata }: MessageRecord): string {
  return section === 'answer' ? rdata : `${section} ${rdata}`;
}

/** `192.0.2.1-3`: three addresses. */
function range(word: string): string[] {
  const match = /^(.*\.)(\d+)-(\d+)$/.exec(word);
  if (match === null) return [word];
  const [first, last] = [Number(match[2]), Number(match[3])];
  return Array.from({ length: last - first + 1 }, (_, i) => `${match[1]}${first + i}`);
}
