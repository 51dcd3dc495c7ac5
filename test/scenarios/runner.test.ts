// The scenario runner itself: a test that cannot fail is worth nothing.
import { expect, test } from 'vitest';
import { playScenario } from '../support/scenario.ts';
import { checkSpread } from '../support/scenario-spread.ts';

const BEGIN = `# a rule
policy policies/examples/one-name.yaml
pod 10.0.1.7 shop/cart app=cart
`;
const ASKED = `${BEGIN}ask 10.0.1.7 A api.example.org
`;
const ANSWERED = `${ASKED}upstream A api.example.org → 192.0.2.8 ttl 30
`;
const GRANTED = `${ANSWERED}kernel add grants4_tcp443 10.0.1.7 . 192.0.2.8 timeout 90
`;

test('a scenario that mentions everything passes', async () => {
  await playScenario(`${GRANTED}reply NOERROR 192.0.2.8`, 'a.scn', 'update');
});

const DENIED = `${BEGIN}ask 10.0.1.7 A n#.example.net times=3
reply NXDOMAIN case n1.example.net
reply NXDOMAIN
reply NXDOMAIN case n3.example.net`;
const TEXT = `${BEGIN}ask 10.0.1.7 TYPE65280 api.example.org
upstream TYPE65280 api.example.org → rdata TYPE65280 c00c,00*3
`;

test('a query that is asked several times is answered as often', async () => {
  await playScenario(DENIED, 'a.scn', 'update');
});

test('bytes can be repeated', async () => {
  await playScenario(`${TEXT}reply NOERROR rdata TYPE65280 c00c000000`, 'a.scn', 'update');
});

test('ids and ports that are not drawn at random fail it', () => {
  const questions = (idOf: (n: number) => number, portOf: (n: number) => number) =>
    Array.from({ length: 1_600 }, (_, n) => ({ id: idOf(n), port: 40_000 + portOf(n) }));
  const spread = (n: number) => (n * 40_503) & 0xffff;
  expect(() => checkSpread(questions(spread, (n) => n % 16))).not.toThrow();
  expect(() =>
    checkSpread(
      questions(
        (n) => n,
        (n) => n % 16,
      ),
    ),
  ).toThrow('The first bits of the ids are not even');
  expect(() =>
    checkSpread(
      questions(
        (n) => spread(n) & 0xfff0,
        (n) => n % 16,
      ),
    ),
  ).toThrow('The last bits of the ids');
  expect(() => checkSpread(questions(spread, () => 1))).toThrow('They came from 1 ports');
  expect(() => checkSpread(questions(spread, (n) => (n % 3 === 0 ? n % 16 : 1)))).toThrow('The ports are not even');
});

test.each([
  ['no title', 'pod 10.0.1.7 shop/cart', 'a.scn:1: Begin with a comment'],
  ['an unknown statement, with its line', `${BEGIN}dance`, 'a.scn:4: dance\n  There is no statement'],
  ['a word that means nothing', `${ASKED}no reply please`, '"please" is not understood'],
  ['a zone that is not there', `${BEGIN}remove zone example.org`, 'There is no zone example.org'],
  ['a policy that cannot be read', '# a rule\npolicy nowhere.yaml', 'nowhere.yaml'],
  ['a reply that is not mentioned', GRANTED, 'unmentioned reply to 10.0.1.7: NOERROR to api.example.org'],
  ['an upstream query that is not mentioned', ASKED, 'unmentioned upstream query NOERROR to api.example.org'],
  ['a kernel change that is not mentioned', `${ANSWERED}reply NOERROR 192.0.2.8`, 'unmentioned kernel change add'],
  ['a query without an answer', `${ASKED}upstream A api.example.org → nothing`, 'the query of line 4 has no answer'],
  ['a reply where none should be', `${GRANTED}no reply`, 'There is a reply to 10.0.1.7'],
  ['a query upstream where none should be', `${ASKED}no upstream query`, 'There is a upstream query'],
  ['another rcode', `${GRANTED}reply NXDOMAIN 192.0.2.8`, 'rcode NXDOMAIN expected, NOERROR found'],
  ['another address', `${GRANTED}reply NOERROR 192.0.2.9`, 'addresses 192.0.2.9 expected, 192.0.2.8 found'],
  ['an address too many', `${GRANTED}reply NOERROR`, 'addresses none expected, 192.0.2.8 found'],
  ['another TTL', `${GRANTED}reply NOERROR 192.0.2.8 ttl 31`, 'TTL 31 expected, 30 found'],
  ['another lifetime', `${ANSWERED}kernel add grants4_tcp443 10.0.1.7 . 192.0.2.8 timeout 95`, 'It is 90 s'],
  ['an element that was not added', `${GRANTED}kernel add grants4_tcp443 10.0.1.7 . 192.0.2.9`, 'It was not added'],
  [
    'an element that is there',
    `${GRANTED}kernel absent grants4_tcp443 10.0.1.7 . 192.0.2.8`,
    'The kernel has it for 90 s',
  ],
  ['a wrong number of elements', `${GRANTED}kernel count grants4_tcp443 0`, 'grants4_tcp443 has 1 elements'],
  ['an event that did not happen', `${GRANTED}audit dns.denied`, 'No such event'],
  ['a counter with another value', `${GRANTED}count commits 2`, 'It is 1'],
  ['a name too few', DENIED.replace('=3', '=2'), 'No reply was sent'],
  ['another rdata', `${TEXT}reply NOERROR rdata TYPE65280 c00c0000`, 'no record TYPE65280 c00c0000'],
  ['too few questions to say so', `${ASKED}upstream-spread`, 'Only 1 questions were asked'],
  ['bytes that are none', `${BEGIN}ask 10.0.1.7 raw=0x00`, '"0x00" is not hexadecimal'],
  ['EDNS where there should be none', `${ASKED}upstream A api.example.org plain → NOERROR`, 'No such query is pending'],
  [
    'an answer to nothing',
    `${BEGIN}upstream A api.example.org → 192.0.2.8`,
    'No such query is pending at the upstream',
  ],
])('%s fails it', async (_why, text, message) => {
  await expect(playScenario(text, 'a.scn', 'update')).rejects.toThrow(message);
});

// What holds in every scenario is watched without being said. Here the kernel loses an element and tells nobody.
test('a reply with an address that the kernel does not have fails it', async () => {
  const text = `${GRANTED}reply NOERROR 192.0.2.8\nflush set grants4_tcp443\nask 10.0.1.7 A api.example.org`;
  const broken =
    'Broken promise: the reply to line 9 shows 192.0.2.8, which the kernel has not granted to 10.0.1.7 (tcp443)';
  await expect(playScenario(text, 'a.scn', 'update')).rejects.toThrow(broken);
});
