// Every difference between the direct answer and the one through a forwarder that has a reason. What is not here fails the test, and so
// does what is here and no longer happens.
import type { Difference, Forwarder } from './observe.ts';

export interface Explained {
  readonly who: Forwarder;
  /** Words that the question has, and with `!` such as it has not; `a|b` is either, a star is any rest. Empty: every question. */
  readonly where: string;
  /** As compare.ts writes it. */
  readonly what: string;
  readonly why: string;
}

type Entry = readonly [who: string, where: string, what: string | readonly string[], why: string];

const NAMED_ADDITIONAL = ['additional -A', 'additional -AAAA'];
const ODD_CLASS = 'class-hs|class-none|class-mdns';
/** Transports and manners in which nothing else is asked than in another one before. */
const ASKED_BEFORE =
  'tcp|no-edns*|no-rd|z|aa|ra|ad|do-512|do-ad|edns-flags|size-*|option-*|options-many|mixed-case|MIXED-CASE';
const MALFORMED = 'answer-in-query|opt-owner|option-overlong|two-opts';

const ENTRIES: readonly Entry[] = [
  // Whoever forwards
  ['namewall unbound dnsmasq', '', 'RA 0→1', 'a forwarder offers recursion, the authoritative server does not'],
  [
    'namewall unbound dnsmasq',
    'cd|do-cd|no-edns-ad-cd',
    'CD 0→1',
    'RFC 4035 §3.2.2: CD is copied, which NSD leaves out',
  ],
  ['unbound', '', 'AA 1→0', 'what comes out of a cache is not authoritative'],
  ['namewall', `again|${ASKED_BEFORE}`, 'AA 1→0', 'what comes out of a cache is not authoritative'],
  ['namewall', 'signed www|alias A do', 'AA 1→0', 'what comes out of a cache is not authoritative'],
  [
    'namewall unbound',
    'elsewhere.example.net.|*.dname-long',
    '-option 15',
    'EDNS is hop by hop: the extended error was for the forwarder',
  ],
  ['namewall unbound', 'IXFR', '-option 15', 'the forwarder refuses transfers itself, without an extended error'],
  ['namewall unbound', 'AXFR tcp', '-option 15', 'the forwarder refuses transfers itself, without an extended error'],
  ['namewall unbound', 'no-question tcp', 'a reply', 'the forwarder says FORMERR where NSD closes the connection'],
  ['namewall unbound', 'two-questions', 'RD 0→1', 'RD is copied into the refusal, which NSD leaves out'],
  [
    'namewall unbound',
    `${ODD_CLASS}|${MALFORMED}`,
    'question no→yes',
    'the question stands in the refusal, which NSD leaves out',
  ],
  [
    'namewall unbound',
    'loop-1|loop-self A',
    'rcode NOERROR→SERVFAIL',
    'aliases that lead back to themselves are no answer',
  ],
  [
    'namewall dnsmasq',
    'txt-3000 udp size-4096|size-65535',
    'TC 0→1',
    'RFC 9715 §3.2: no datagram over 1232 bytes, whatever the client takes',
  ],
  [
    'namewall unbound',
    'AXFR udp',
    'rcode NOTIMP→REFUSED',
    'zone transfers are refused; over UDP, NSD calls them not implemented',
  ],

  // namewall: what it does not forward
  [
    'namewall',
    'ANY',
    ['AA 1→0', 'answer +HINFO', 'answer -SOA', 'answer -A', 'answer -RRSIG'],
    'RFC 8482 §4.2: ANY gets one HINFO, since no policy could judge what comes',
  ],
  [
    'namewall',
    '',
    'authority TTL lower',
    'RFC 2308 §5: the SOA of a negative answer has the time for which that is kept, 30 s at most',
  ],
  ['namewall', 'asked ttl-max', 'answer TTL lower', 'RFC 8767 §4: seven days are the most that any TTL means'],
  ['namewall', 'signed nothing A do', 'AA 1→0', 'what comes out of a cache is not authoritative'],
  ['namewall', 'given a-300 tcp', 'answer -A', 'dns.maxAddresses: 256 of 300 are shown and granted'],
  [
    'namewall',
    'udp txt-1000|chain-11',
    'authority -NS',
    'RFC 2181 §9: what is not needed is left out where it does not fit',
  ],
  ['namewall', 'asked udp txt-1000|chain-11', ['additional -A', 'additional -AAAA'], 'RFC 2181 §9: the same'],
  [
    'namewall',
    'signed www|alias A udp do-512',
    ['authority -NS', 'authority -RRSIG', 'additional -A', 'additional -RRSIG'],
    'RFC 2181 §9: the same',
  ],
  ['namewall', 'class-any', 'rcode NOERROR→REFUSED', 'only class IN is forwarded'],
  ['namewall', 'version.bind. class-ch', 'rcode NOERROR→REFUSED', 'nobody is told which server this is'],
  ['namewall', 'opcode-notify', 'rcode NXDOMAIN→NOTIMP', 'only queries are forwarded'],
  [
    'namewall',
    'cookie-short|subnet-bad|trailing',
    'rcode NOERROR→FORMERR',
    'what two readers may read differently is refused; RFC 7873 §5.2.2 and RFC 7871 §7.1.2 ask for it',
  ],
  ['namewall', 'two-opts|option-overlong', 'OPT no→yes', 'RFC 6891 §6.1.1: the answer to a query with OPT has one'],
  [
    'namewall',
    'dot\\046dot|nul\\000nul|back\\092slash|high\\200\\255|control\\001\\127',
    ['rcode NOERROR→NXDOMAIN', '+option 15'],
    'policies/README.md: names with such bytes match no rule, so that nobody is fooled by how they are printed',
  ],
  [
    'namewall',
    'chain-12 A|AAAA|TXT',
    ['rcode NOERROR→SERVFAIL', '+option 15'],
    'I2: a chain of more than 11 aliases is given up',
  ],
  ['namewall', 'loop-1|loop-self A', '+option 15', 'the extended error says that the answer was unusable'],

  // namewall: names that a rule grants
  [
    'namewall',
    'given',
    [...NAMED_ADDITIONAL, 'additional -RRSIG'],
    'I3: addresses that nobody judged are not shown for a granted name',
  ],
  [
    'namewall',
    'given chain-5|chain-6|chain-7|chain-8|chain-9|chain-10|chain-11 A|AAAA|TXT',
    'answer TTL lower',
    'all records of a granted answer have the least TTL of its chain, so that nobody connects after the grant has ended',
  ],
  ['namewall', 'given signed RRSIG', 'answer TTL lower', 'all records of a granted answer have the least TTL of them'],
  [
    'namewall',
    'given ttl-max',
    'answer TTL lower',
    '`maxTtl`: a grant lasts an hour at most, and so does what is said about it',
  ],
  [
    'namewall',
    'given *.dname|to-dname|*.dname-long',
    'answer -DNAME',
    'I3: of a granted answer the chain of CNAMEs is shown',
  ],
  ['namewall', 'given signed *.dname do', 'answer -RRSIG', 'I3: the signature of the DNAME goes with it'],

  // unbound
  [
    'unbound',
    '',
    ['authority -NS', 'authority -RRSIG', ...NAMED_ADDITIONAL, 'additional -RRSIG'],
    '`minimal-responses`: what was not asked for is left out',
  ],
  ['unbound', 'signed safe|www.safe', 'authority -DS', '`minimal-responses`: a referral is not passed on'],
  [
    'unbound',
    'no-rd',
    ['rcode NOERROR→REFUSED', 'rcode NXDOMAIN→REFUSED'],
    'without RD it serves only whom `allow_snoop` names',
  ],
  ['unbound', 'txt-3000 udp no-rd', 'TC 1→0', 'the same: there is nothing to truncate'],
  [
    'unbound',
    'ANY',
    ['answer +A', 'answer +AAAA', 'answer +MX', 'answer +NS', 'answer +RRSIG'],
    'it puts together what its cache has of the name; NSD says one of them',
  ],
  [
    'unbound',
    'TYPE128',
    'rcode NOERROR→FORMERR',
    'RFC 6895 §3.1: types from 128 to 255 are for queries, and it knows none of this number',
  ],
  ['unbound', 'to-away', 'rcode NOERROR→SERVFAIL', 'it asks for the target itself, and NSD refuses names of others'],
  ['unbound', 'elsewhere.example.net.', 'rcode REFUSED→SERVFAIL', 'a refusal is no answer'],
  ['unbound', 'ttl-max', 'answer TTL lower', '`cache-max-ttl`: a day'],
  ['unbound', 'www.dname CNAME', 'answer TTL lower', 'a CNAME that it made from a DNAME itself has TTL 0'],
  ['unbound', 'opcode-*', 'question no→yes', 'the question stands in the refusal, which NSD leaves out'],
  ['unbound', 'opcode-notify', 'rcode NXDOMAIN→REFUSED', 'nobody may notify it'],
  ['unbound', 'two-questions', 'question no→yes', 'the first question stands in the refusal, which NSD leaves out'],
  ['unbound', 'opt-owner|option-overlong', 'OPT no→yes', 'the answer to a query with OPT has one'],
  [
    'unbound',
    'option-overlong',
    ['rcode FORMERR→NOERROR', 'answer +A'],
    'an option that is longer than its record does not disturb it',
  ],
  ['unbound', 'answer-in-query', 'answer +A', 'it copies what stood in the query'],
  ['unbound', 'two-opts', 'unreadable: Second OPT', 'it copies what stood in the query'],
  ['unbound dnsmasq', 'version.bind.', ['answer +TXT', 'answer -TXT'], 'each says which server it is'],

  // dnsmasq
  ['dnsmasq', 'version.bind.', 'AA 0→1', 'its own answer'],
  [
    'dnsmasq',
    `${ODD_CLASS}|${MALFORMED}|opcode-*|two-questions`,
    'no reply',
    'what it or NSD does not understand is not answered',
  ],
];

export const EXPLAINED: readonly Explained[] = ENTRIES.flatMap(([whos, where, whats, why]) =>
  whos.split(' ').flatMap((who) =>
    // The table above names nobody else.
    [whats].flat().map((what) => ({ who: who as Forwarder, where, what, why })),
  ),
);

export function explains({ who, where, what }: Explained, difference: Difference): boolean {
  if (who !== difference.who || what !== difference.what) return false;
  const has = (word: string): boolean =>
    word.split('|').some((pattern) => difference.words.some((each) => fits(each, pattern)));
  const words = where === '' ? [] : where.split(' ');
  return words.every((word) => (word.startsWith('!') ? !has(word.slice(1)) : has(word)));
}

/** A star stands at the beginning or the end. */
function fits(word: string, pattern: string): boolean {
  if (pattern.startsWith('*')) return word.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? word.startsWith(pattern.slice(0, -1)) : word === pattern;
}
