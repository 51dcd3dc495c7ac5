// What is asked: every name of the zones for the types that make a difference, and some of them in every manner that a client may ask in.
// A question is known by its words (`asked www A udp plain`); explained.ts speaks of questions by them.
import { CLASS, EDNS_DO, FLAG, OPCODE } from '../../../src/dns/codes.ts';
import { message, name, opt, option, question, repeat, u16, u32 } from '../../unit/dns/message.ts';
import type { Bytes, MessageText } from '../../unit/dns/message.ts';
import { NAMES, SIGNED_NAMES, VARIED_NAMES, VARIED_SIGNED_NAMES } from './names.ts';
import { numberOf } from './types.ts';

export interface Question {
  /** The kind of zone, the owner, the type, the transport, the manner. */
  readonly words: readonly string[];
  readonly transport: 'udp' | 'tcp';
  readonly message: Uint8Array;
}

/** `asked`: a pod may ask these names. `given`: a rule grants them. */
export const ZONES = ['asked.example.org', 'given.example.org'] as const;
export const SIGNED_ZONES = ['asked.signed.example.org', 'given.signed.example.org'] as const;

/** What the question is written with: the bytes of its name are at hand for manners that write it twice. */
type Manner = (qname: string, qtype: number) => MessageText;

const RD = FLAG.RD;

/** A query with one question, with OPT. */
function edns(over: { payload?: number; ttl?: number; flags?: number; options?: Bytes } = {}): Manner {
  const { flags = RD, options = [], ...rest } = over;
  return (qname, qtype) => ({ flags, questions: [question(qname, qtype)], additional: [opt(options, rest)] });
}

function withoutEdns(flags: number, qclass: number = CLASS.IN): Manner {
  return (qname, qtype) => ({ flags, questions: [question(qname, qtype, qclass)] });
}

const PLAIN: readonly [string, Manner] = ['plain', edns()];

const MANNERS: readonly (readonly [string, Manner])[] = [
  ['no-edns', withoutEdns(RD)],
  ['no-rd', edns({ flags: 0 })],
  ['z', edns({ flags: RD | FLAG.Z })],
  ['aa', edns({ flags: RD | FLAG.AA })],
  ['ra', edns({ flags: RD | FLAG.RA })],
  ['ad', edns({ flags: RD | FLAG.AD })],
  ['cd', edns({ flags: RD | FLAG.CD })],
  ['no-edns-ad-cd', withoutEdns(RD | FLAG.AD | FLAG.CD)],
  ['do', edns({ ttl: EDNS_DO })],
  ['do-cd', edns({ ttl: EDNS_DO, flags: RD | FLAG.CD })],
  ['do-ad', edns({ ttl: EDNS_DO, flags: RD | FLAG.AD })],
  ['do-512', edns({ ttl: EDNS_DO, payload: 512 })],
  ['edns-flags', edns({ ttl: 0x7fff })],
  ['size-0', edns({ payload: 0 })],
  ['size-512', edns({ payload: 512 })],
  ['size-4096', edns({ payload: 4096 })],
  ['size-65535', edns({ payload: 0xffff })],
  ['version-1', edns({ ttl: 0x10000 })],
  ['version-1-option', edns({ ttl: 0x10000, options: option(65001, [1, 2]) })],
  ['option-unknown', edns({ options: option(65001, [1, 2, 3, 4]) })],
  ['option-nsid', edns({ options: option(3, []) })],
  ['option-cookie', edns({ options: option(10, [1, 2, 3, 4, 5, 6, 7, 8]) })],
  ['option-subnet', edns({ options: option(8, [...u16(1), 24, 0, 198, 51, 100]) })],
  ['option-keepalive', edns({ options: option(11, []) })],
  ['option-padding', edns({ options: option(12, repeat(0, 64)) })],
  ['options-many', edns({ options: [65001, 65002, 65003].flatMap((code) => option(code, [code & 0xff])) })],
  ['mixed-case', (qname, qtype) => ({ questions: [question(mixedCase(name(qname)), qtype)], additional: [opt()] })],
];

/** Messages that break a rule, or are no query for the Internet. */
const ODD_MANNERS: readonly (readonly [string, Manner])[] = [
  ['class-ch', withoutEdns(RD, CLASS.CH)],
  ['class-hs', withoutEdns(RD, CLASS.HS)],
  ['class-none', withoutEdns(RD, CLASS.NONE)],
  ['class-any', withoutEdns(RD, CLASS.ANY)],
  ['class-mdns', withoutEdns(RD, 0x8001)],
  ['opcode-iquery', withoutEdns(OPCODE.IQuery << 11)],
  ['opcode-status', withoutEdns(OPCODE.Status << 11)],
  ['opcode-notify', withoutEdns(OPCODE.Notify << 11)],
  ['opcode-update', withoutEdns(OPCODE.Update << 11)],
  ['opcode-15', withoutEdns(15 << 11)],
  ['no-question', () => ({ flags: RD, questions: [] })],
  ['two-questions', (qname, qtype) => ({ flags: RD, questions: [question(qname, qtype), question(qname, 28)] })],
  ['two-opts', (qname, qtype) => ({ flags: RD, questions: [question(qname, qtype)], additional: [opt(), opt()] })],
  [
    'opt-owner',
    (qname, qtype) => ({ questions: [question(qname, qtype)], additional: [opt([], { owner: [1, 97, 0] })] }),
  ],
  ['cookie-short', edns({ options: option(10, [1, 2, 3, 4, 5, 6, 7]) })],
  ['subnet-bad', edns({ options: option(8, [...u16(9), 24, 0, 1, 2, 3]) })],
  ['option-overlong', edns({ options: [...u16(65001), ...u16(9), 1] })],
  ['trailing', (qname, qtype) => ({ questions: [question(qname, qtype)], additional: [opt()], trailing: [0, 0] })],
  [
    'answer-in-query',
    (qname, qtype) => ({
      questions: [question(qname, qtype)],
      answers: [[...name(qname), ...u16(1), ...u16(1), ...u32(9), ...u16(4), 192, 0, 2, 9]],
    }),
  ],
];

const TRANSPORTS = ['udp', 'tcp'] as const;
const DO: readonly [string, Manner] = ['do', edns({ ttl: EDNS_DO })];

export const QUESTIONS: readonly Question[] = TRANSPORTS.flatMap((transport) => [
  ...ZONES.flatMap((zone) => [...ask(zone, NAMES, [PLAIN], transport), ...ask(zone, VARIED_NAMES, MANNERS, transport)]),
  ...SIGNED_ZONES.flatMap((zone) => [
    ...ask(zone, SIGNED_NAMES, [DO], transport),
    ...ask(zone, VARIED_SIGNED_NAMES, MANNERS, transport),
  ]),
]);

/** Some of them never get a reply from somebody. Each has a name of its own, so that nobody lets one wait for the reply to another. */
export const ODD_QUESTIONS: readonly Question[] = TRANSPORTS.flatMap((transport) => [
  ...ZONES.flatMap((zone) =>
    ODD_MANNERS.flatMap((manner) => ask(zone, [[`${manner[0]}.wild`, 'A']], [manner], transport)),
  ),
  ...ask(ZONES[0], [['version.bind.', 'TXT']], [['class-ch', withoutEdns(RD, CLASS.CH)]], transport),
]);

function ask(
  zone: string,
  names: readonly (readonly [owner: string, types: string])[],
  manners: readonly (readonly [string, Manner])[],
  transport: Question['transport'],
): Question[] {
  const [kind = '', signed] = zone.split('.');
  const zoneWords = signed === 'signed' ? [kind, signed] : [kind];
  return names.flatMap(([owner, types]) =>
    types.split(' ').flatMap((type) =>
      manners.map(([manner, write]) => ({
        words: [...zoneWords, owner, type, transport, manner],
        transport,
        message: message({ id: 0, ...write(fullName(owner, zone), numberOf(type)) }),
      })),
    ),
  );
}

function fullName(owner: string, zone: string): string {
  if (owner === '@') return zone;
  return owner.endsWith('.') ? owner : `${owner}.${zone}`;
}

/** Every second letter is a capital. */
function mixedCase(wire: Bytes): Bytes {
  return wire.map((byte, i) => (i % 2 === 0 && byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte));
}
