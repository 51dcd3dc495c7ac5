// The oracle finds what is wrong: an account of one good lookup without findings, and each promise broken once.
import { beforeEach, describe, expect, test } from 'vitest';
import { a, message, name, opt, option, pointer, question, record, response } from '../../unit/dns/message.ts';
import type { MessageText } from '../../unit/dns/message.ts';
import { endpoint } from '../../support/scenario-node.ts';
import { hexOf } from './addresses.ts';
import { Ledger } from './ledger.ts';

const API = 'api.example.org';
const CART = hexOf('10.0.1.7');
const PORT = 4_000;
const SET = 'grants4_tcp443';
const GRANT_MS = 13_000;
const SOCKET = endpoint('10.0.0.1', 33_000);
const UPSTREAM = endpoint('198.51.100.53', 53);
const LISTENER = endpoint('10.96.0.10', 53);

let ledger: Ledger;
let kernel: Map<string, number>;

beforeEach(() => {
  ledger = new Ledger();
  kernel = new Map();
  ledger.kernel = { nowMs: () => 1_000, leftMs: (set, key) => kernel.get(`${set} ${key}`) ?? 0 };
});

const kinds = (): string[] => ledger.findings.map(({ kind }) => kind);
const edns = { additional: [opt()] };

function ask(over: MessageText = edns, qname = API): void {
  ledger.query(CART, PORT, message({ id: 7, questions: [question(qname)], ...over }));
}

function forward(over: MessageText = {}, qname = API, to = UPSTREAM): void {
  const bytes = message({ id: 99, flags: 0x0120, questions: [question(qname)], additional: [opt()], ...over });
  ledger.sent({ from: SOCKET, to, bytes });
}

function answer(over: MessageText = {}): void {
  const asked = ledger.asked[0] ?? expect.fail('nothing was asked upstream');
  ledger.answer(
    asked,
    response({ id: 99, questions: [question(API)], answers: [a(pointer(12), [192, 0, 2, 1], 10)], ...over }),
  );
}

function grant(set = SET, client = CART, address = 'c0000201', leftMs = GRANT_MS): void {
  kernel.set(`${set} ${client}${address}`, leftMs);
  ledger.committed([{ table: 'namewall', set, key: `${client}${address}`, beforeMs: 0, afterMs: leftMs }]);
}

function reply(over: MessageText = {}): void {
  const answers = [a(pointer(12), [192, 0, 2, 1], 10)];
  const bytes = message({ id: 7, flags: 0x8180, questions: [question(API)], answers, additional: [opt()], ...over });
  ledger.sent({ from: LISTENER, to: endpoint('10.0.1.7', PORT), bytes });
}

function goodUntilGranted(): void {
  ask();
  forward();
  answer();
  grant();
}

test('a lookup that keeps every promise is no finding', () => {
  goodUntilGranted();
  reply();
  ledger.close();
  expect(kinds()).toEqual([]);
  expect(ledger.judged).toEqual({ replies: 1, addresses: 1, questions: 1, grants: 1 });
});

describe('a grant', () => {
  test.each([
    ['of an address that no answer has', () => grant(SET, CART, 'c0000202'), 'grant outside I2'],
    ['in a class that no rule of the name has', () => grant('grants4_tcp8080'), 'grant outside I2'],
    ['to a pod that did not ask', () => grant(SET, hexOf('10.0.2.8')), 'grant outside I2'],
    ['to an address of no pod', () => grant(SET, hexOf('10.0.9.9')), 'grant to nobody'],
    ['in a set of the other family', () => grant('grants6_tcp443'), 'grant to nobody'],
    ['that never ends', () => grant(SET, CART, 'c0000201', Infinity), 'grant for too long'],
    ['that outlives its TTL and grace', () => grant(SET, CART, 'c0000201', GRANT_MS + 2), 'grant for too long'],
  ])('%s is found', (_why, happen, kind) => {
    goodUntilGranted();
    happen();
    expect(kinds()).toEqual([kind]);
  });

  const v6 = (hex: string) => [...Buffer.from(hex, 'hex')];
  test.each<[string, MessageText, string]>([
    ['in additional', { answers: [], additional: [a(pointer(12), [192, 0, 2, 1])] }, 'c0000201'],
    ['of another name', { answers: [a('b.example.org', [192, 0, 2, 1])] }, 'c0000201'],
    [
      'of another class',
      { answers: [record({ owner: pointer(12), type: 1, class: 0x8001, rdata: [192, 0, 2, 1] })] },
      'c0000201',
    ],
    [
      'of another type',
      { answers: [record({ owner: pointer(12), type: 28, rdata: v6('20010db8000000000000000000000001') })] },
      'c0000201',
    ],
    ['in an answer that says no', { flags: 0x8183 }, 'c0000201'],
    ['in an answer that is cut', { flags: 0x8380 }, 'c0000201'],
    ['in an answer with bytes behind it', { trailing: [0] }, 'c0000201'],
    ['in an answer to another question', { questions: [question('b.example.org')] }, 'c0000201'],
    ['in an answer with another id', { id: 98 }, 'c0000201'],
    ['that is loopback', { answers: [a(pointer(12), [127, 0, 0, 1])] }, '7f000001'],
    ["that is the cluster's", { answers: [a(pointer(12), [10, 96, 0, 1])] }, '0a600001'],
    ['that only others may have', { answers: [a(pointer(12), [10, 20, 0, 1])] }, '0a140001'],
  ])('of an address %s is found', (_why, over, address) => {
    ask();
    forward();
    answer(over);
    grant(SET, CART, address, 5_000);
    expect(kinds()).toEqual(['grant outside I2']);
  });
});

describe('a reply', () => {
  test.each<[string, MessageText, string]>([
    ['with another id', { id: 8 }, 'form of a reply: has another id'],
    ['with another question', { questions: [question('b.example.org')] }, 'form of a reply: repeats another question'],
    ['without the question', { questions: [], answers: [] }, 'form of a reply: does not repeat the question'],
    ['without OPT', { additional: [] }, 'form of a reply: has OPT and the query not, or the reverse'],
    [
      "with somebody's cookie",
      { additional: [opt(option(10, [1, 2, 3, 4, 5, 6, 7, 8]))] },
      'form of a reply: has an option that we do not send',
    ],
    ['without RA', { flags: 0x8100 }, 'form of a reply: has wrong RA or Z'],
    ['without RD', { flags: 0x8080 }, 'form of a reply: does not copy opcode, RD and CD'],
    ['with AD', { flags: 0x81a0 }, 'form of a reply: has AD, which nobody asked for'],
    ['that is cut and not empty', { flags: 0x8380 }, 'form of a reply: is truncated and has records all the same'],
    ['with bytes behind it', { trailing: [0] }, 'unreadable message sent'],
    [
      'with an address that the kernel has not',
      { answers: [a(pointer(12), [192, 0, 2, 2], 10)] },
      'contents of a reply: record from nowhere',
    ],
    ['with a longer TTL', { answers: [a(pointer(12), [192, 0, 2, 1], 11)] }, 'contents of a reply: longer TTL'],
  ])('%s is found', (_why, over, kind) => {
    goodUntilGranted();
    reply(over);
    expect(kinds()).toContain(kind);
  });

  test('before its grant is found', () => {
    ask();
    forward();
    answer();
    reply();
    expect(kinds()).toEqual(['contents of a reply: not granted']);
  });

  test('with a TTL beyond its grant is found', () => {
    goodUntilGranted();
    grant(SET, CART, 'c0000201', 9_000);
    reply();
    expect(kinds()).toEqual(['contents of a reply: granted too short']);
  });

  test('with a protected address is found', () => {
    ask();
    forward();
    answer({ answers: [a(pointer(12), [127, 0, 0, 1], 10)] });
    reply({ answers: [a(pointer(12), [127, 0, 0, 1], 10)] });
    expect(kinds()).toEqual(['contents of a reply: protected address']);
  });

  test('that comes twice, to nobody, or not at all is found', () => {
    goodUntilGranted();
    reply();
    reply();
    ledger.sent({ from: LISTENER, to: endpoint('10.0.1.7', PORT + 1), bytes: response({}) });
    ledger.query(CART, PORT + 2, message({}));
    ledger.close();
    expect(kinds()).toEqual(['second reply', 'reply to nobody', 'query without an answer']);
  });

  test('larger than the client takes is found', () => {
    ask({});
    forward();
    const answers = Array.from({ length: 40 }, (_, i) => a(pointer(12), [192, 0, 2, i], 10));
    answer({ answers });
    answers.forEach((_, i) => grant(SET, CART, `c00002${i.toString(16).padStart(2, '0')}`));
    reply({ answers, additional: [] });
    expect(kinds()).toEqual(['form of a reply: is 673 bytes long, the client takes 512']);
  });

  test('to what nobody may read, or what is malformed, is found', () => {
    ledger.query(CART, PORT, message({ id: 7, flags: 0x8180 }));
    reply({ answers: [], additional: [] });
    ledger.query(CART, PORT + 1, message({ id: 7, trailing: [1] }));
    ledger.sent({
      from: LISTENER,
      to: endpoint('10.0.1.7', PORT + 1),
      bytes: message({ id: 7, flags: 0x8180, questions: [] }),
    });
    expect(kinds()).toContain('form of a reply: was not to be sent at all');
    expect(kinds()).toContain('form of a reply: answers rcode 0 to what is malformed');
  });
});

describe('a question', () => {
  test.each<[string, () => void, string]>([
    ['with a record of the client', () => forward({ additional: [opt(), a([0])] }), 'upstream: smuggled'],
    [
      'with an option of the client',
      () => forward({ additional: [opt(option(8, [0, 1, 0, 0]))] }),
      'upstream: smuggled',
    ],
    ['to a server of another zone', () => forward({}, API, endpoint('198.51.100.55', 53)), 'upstream: wrong server'],
    ['for a name that nobody asked', () => forward({}, 'b.web.example.org'), 'upstream: nobody asked'],
  ])('%s is found', (_why, happen, kind) => {
    ask();
    happen();
    expect(kinds()).toEqual([kind]);
  });

  test('for a name that the pod may not ask is found', () => {
    ask(edns, 'blocked.example.org');
    forward({}, 'blocked.example.org');
    expect(kinds()).toEqual(['upstream: nobody asked']);
  });
});

test('hints of a service are addresses of it, and those of a broken one are none', () => {
  const service = (params: readonly number[]) =>
    record({ owner: pointer(12), type: 65, ttl: 10, rdata: [0, 1, ...name('.'), ...params] });
  const asks = { questions: [question(API, 65)], additional: [opt()] };
  ask(asks);
  forward(asks);
  answer({ ...asks, answers: [service([0, 4, 0, 4, 192, 0, 2, 7]), service([0, 4, 0, 3, 192, 0, 2])] });
  grant(SET, CART, 'c0000207');
  reply({ ...asks, answers: [service([0, 4, 0, 4, 192, 0, 2, 7])] });
  expect(kinds()).toEqual([]);
});
