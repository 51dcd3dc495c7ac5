import { expect, test } from 'vitest';
import { pathOf } from '../../../../src/cli/dig/path.ts';
import { a, cname, record } from '../../dns/message.ts';
import { answerEvent, ASKED, attempt, denied, failed, NAME, POLICY, reply, report, said } from './report.ts';

const TARGET = 'edge.example.net';
const PUBLIC = a(NAME, [192, 0, 2, 8], 30);
const METADATA = a(NAME, [169, 254, 169, 254], 30);
const aaaa = (...rdata: number[]) => record({ owner: NAME, type: 28, rdata });

test('a fresh answer, whole', () => {
  expect(pathOf(ASKED, report())).toMatchObject({
    asked: ASKED,
    identified: {
      namespace: 'shop',
      name: 'cart',
      uid: 'u-7',
      address: '10.0.1.7',
      policies: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'one-name' }],
      isolated: true,
      auditMode: false,
      intercepted: true,
    },
    matched: { verdict: 'allowed', policy: POLICY, wouldDenyBy: null, ports: ['tcp443'], denied: 'nxdomain' },
    source: {
      from: 'upstream',
      merged: false,
      attempts: [{ server: '198.51.100.53', port: 53, transport: 'udp', edns: true, outcome: 'NOERROR', tookMs: 12 }],
    },
    chain: [{ name: NAME, ttl: 30, type: 'A', data: '192.0.2.8' }],
    withheld: [],
    granted: [{ address: '192.0.2.8', ports: 'tcp443', leftSeconds: 90, isNew: true }],
    commitMs: 0.24,
    answered: { rcode: 'NOERROR', records: [{ data: '192.0.2.8' }], tookMs: 13.1 },
    result: 'answered',
    events: [{ event: 'grant' }, { event: 'dns.allowed' }],
  });
});

test.each([
  ['allowed', report(), 'allowed'],
  ['denied', denied(), 'denied'],
  [
    'answered only in audit mode',
    report({ answer: answerEvent({ wouldDeny: true }), policy: null, ports: [] }),
    'would-deny',
  ],
  ['told by a policy that only audits', report({ wouldDenyBy: POLICY }), 'would-deny'],
  [
    'allowed, but its grant would have been refused',
    report({ answer: answerEvent({ wouldDeny: true, reason: 'kernel-refused' }) }),
    'allowed',
  ],
  ['of a pod that no policy selects', report({ policies: [], policy: null, ports: [] }), 'allowed'],
  ['a special-use name', report({ answer: answerEvent({ reason: 'special-name' }), policy: null, ports: [] }), 'local'],
  ['a pod that the data plane does not know', report({ answer: answerEvent({ reason: 'unknown-client' }) }), 'none'],
  ['refused for its type', report({ answer: null, policy: null, ports: [] }), 'none'],
])('the verdict: %s', (_why, told, verdict) => {
  expect(pathOf(ASKED, told).matched.verdict).toBe(verdict);
});

test('a failure names the rule all the same: it was matched', () => {
  expect(pathOf(ASKED, failed('upstream-timeout')).matched.policy).toEqual(POLICY);
});

test('a cached answer: seconds as TTLs are rounded', () => {
  const told = report({
    answer: answerEvent({ cached: true }),
    attempts: [],
    said: said([PUBLIC], { ageMs: 10_001, leftMs: 19_999 }),
  });
  expect(pathOf(ASKED, told).source).toEqual({ from: 'cache', ageSeconds: 11, leftSeconds: 19 });
});

test('nobody is asked for a denied name', () => {
  expect(pathOf(ASKED, denied()).source).toEqual({ from: 'nobody' });
});

test('who does not answer was waited for until somebody else was asked, the last one until the end', () => {
  const silent = { outcome: null, tookMs: null };
  const attempts = [
    attempt({ ...silent, atMs: -100 }),
    attempt({ ...silent, atMs: null, address: '198.51.100.54' }),
    attempt({ atMs: 300, tookMs: 7, address: '198.51.100.55' }),
    attempt({ ...silent, atMs: 700, address: '198.51.100.56' }),
  ];
  const answer = answerEvent({ merged: true, latencyMicros: 1_900_000 });
  expect(pathOf(ASKED, report({ answer, attempts })).source).toMatchObject({
    merged: true,
    attempts: [
      { outcome: null, tookMs: 400 },
      { outcome: null, tookMs: null },
      { outcome: 'NOERROR', tookMs: 7 },
      { outcome: null, tookMs: 1_200 },
    ],
  });
});

test('the chain is what upstream said, not the reply with its one TTL', () => {
  const told = report({
    said: said([cname(NAME, TARGET, 300), a(TARGET, [192, 0, 2, 8], 30)]),
    reply: reply([cname(NAME, TARGET, 30), a(TARGET, [192, 0, 2, 8], 30)]),
  });
  expect(pathOf(ASKED, told).chain).toEqual([
    { name: NAME, ttl: 300, type: 'CNAME', data: TARGET },
    { name: TARGET, ttl: 30, type: 'A', data: '192.0.2.8' },
  ]);
});

test('without what upstream said the reply tells the chain', () => {
  expect(pathOf(ASKED, report({ said: null })).chain).toHaveLength(1);
  expect(pathOf(ASKED, report({ said: null, reply: null })).chain).toEqual([]);
});

test.each([
  ['link-local', METADATA, '169.254.169.254', 'link-local'],
  [
    'an IPv4 address in an AAAA record',
    aaaa(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9),
    '::ffff:192.0.2.9',
    'embedded-ipv4',
  ],
  [
    'loopback behind NAT64',
    aaaa(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1),
    '64:ff9b::7f00:1',
    'loopback',
  ],
  [
    'no address of its family',
    aaaa(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8),
    '2001:db8::8',
    'no-address-of-this-family',
  ],
  ['more than an answer may have', a(NAME, [192, 0, 2, 9]), '192.0.2.9', 'cap'],
])('withheld: %s', (_why, hidden, address, reason) => {
  const type = address.includes(':') ? 'AAAA' : 'A';
  const question = { ...ASKED, type };
  const told = report({ said: ofType(said([hidden]), type), reply: reply([]) });
  expect(pathOf(question, told)).toMatchObject({ withheld: [{ address, reason }], result: 'withheld' });
});

test.each([
  ['what is shown', report({ said: said([PUBLIC]), reply: reply([PUBLIC]) })],
  [
    'where the name opens nothing, the answer passes unchanged',
    report({ ports: [], said: said([METADATA]), reply: reply([METADATA]) }),
  ],
  ['a failure', failed('kernel-refused', { said: said([PUBLIC]) })],
  ['what nobody said', report({ said: null, reply: reply([]) })],
])('nothing is called withheld: %s', (_why, told) => {
  expect(pathOf(ASKED, told).withheld).toEqual([]);
});

test('a grant of an earlier lookup is not called new', () => {
  const granted = [
    { address: '192.0.2.8', ports: 'tcp443', leftMs: 89_600 },
    { address: '192.0.2.8', ports: 'tcp80', leftMs: 10_400 },
  ];
  const path = pathOf(ASKED, report({ granted, ports: ['tcp443', 'tcp80'] }));
  expect(path.granted.map(({ ports, leftSeconds, isNew }) => [ports, leftSeconds, isNew])).toEqual([
    ['tcp443', 90, true],
    ['tcp80', 10, false],
  ]);
  expect(pathOf(ASKED, report({ grants: [] }))).toMatchObject({ commitMs: null, granted: [{ isNew: false }] });
});

test('no reply at all', () => {
  expect(pathOf(ASKED, denied({ reply: null, denial: 'drop' }))).toMatchObject({ answered: null, result: 'denied' });
});

/** The message with another type in its question, which ends in type and class. */
function ofType(told: ReturnType<typeof said>, type: string): ReturnType<typeof said> {
  const bytes = Buffer.from(told.message, 'base64');
  bytes[12 + NAME.length + 2 + 1] = type === 'AAAA' ? 28 : 1;
  return { ...told, message: bytes.toString('base64') };
}
