import { expect, test } from 'vitest';
import { asBlocked, mergeAnswers, seenAsked, seenReached } from '../../../../src/cli/test/evidence.ts';
import type { Asked } from '../../../../src/cli/test/probe-calls.ts';
import { EDE, RCODE } from '../../../../src/dns/codes.ts';

const reply = (rcode: number, ede: number | null = null, addresses: string[] = []): Asked => {
  return { outcome: 'reply', rcode, ede, records: addresses.length, addresses };
};

test.each([
  ['an address', reply(0, null, ['192.0.2.1']), 'answered'],
  ['no record of the type', reply(0), 'nodata'],
  ['no such name', reply(RCODE.NXDomain), 'nxdomain'],
  ['NXDOMAIN that says it is a denial', reply(RCODE.NXDomain, EDE.Blocked), 'denied'],
  ['REFUSED to a client that nobody knows', reply(RCODE.Refused, EDE.Prohibited), 'denied'],
  ['NODATA that says it is a denial', reply(0, EDE.Blocked), 'denied'],
  ['REFUSED', reply(RCODE.Refused), 'refused'],
  ['SERVFAIL of an agent that is not ready', reply(RCODE.ServFail, EDE.NotReady), 'servfail'],
  ['another code by its name', reply(RCODE.NotImp), 'NOTIMP'],
  ['silence', { outcome: 'silent' } as const, 'silent'],
])('asked: %s', (_why, asked, actual) => expect(seenAsked(asked)).toMatchObject({ kind: 'seen', actual }));

test('a server that cannot be asked proves nothing', () => {
  expect(seenAsked({ outcome: 'failed', why: 'ECONNREFUSED' })).toMatchObject({ kind: 'unknown' });
});

test('a name has the addresses of both families', () => {
  const answers = [reply(0, null, ['192.0.2.1']), reply(0, null, ['2001:db8::1'])];
  expect(mergeAnswers(answers)).toEqual(['192.0.2.1', '2001:db8::1']);
});

test.each([
  ['denied', [reply(RCODE.NXDomain, EDE.Blocked), reply(RCODE.NXDomain, EDE.Blocked)], 'seen'],
  ['unknown to DNS', [reply(RCODE.NXDomain), reply(RCODE.NXDomain)], 'seen'],
  ['denied by silence', [{ outcome: 'silent' }, { outcome: 'silent' }] as const, 'seen'],
  ['one whose server fails, which is no verdict', [reply(RCODE.ServFail), reply(RCODE.ServFail)], 'unknown'],
  ['one that nobody can be asked for', [{ outcome: 'failed', why: 'EACCES' }] as const, 'unknown'],
])('a name without address: %s', (_why, answers, kind) => {
  const found = mergeAnswers(answers);
  expect(found).toMatchObject({ kind, ...(kind === 'seen' ? { actual: 'blocked' } : {}) });
});

const failed = (...whys: string[]) => ({
  address: null,
  failures: whys.map((why, i) => ({ address: `192.0.2.${i + 1}`, why })),
});

test('one address that takes it is enough', () => {
  expect(seenReached('tcp', { ...failed('silent'), address: '192.0.2.9' })).toMatchObject({ actual: 'allowed' });
});

test.each([
  ['a reset', 'tcp', failed('ECONNREFUSED')],
  ['silence to a SYN', 'tcp', failed('silent', 'EHOSTUNREACH')],
  ['an ICMP error to a datagram', 'udp', failed('EHOSTUNREACH')],
] as const)('blocked: %s', (_why, protocol, reached) => {
  expect(seenReached(protocol, reached)).toMatchObject({ kind: 'seen', actual: 'blocked' });
});

test('a datagram that meets silence may have arrived', () => {
  expect(seenReached('udp', failed('silent'), 'cannot listen there: EADDRINUSE')).toEqual({
    kind: 'unknown',
    detail: 'a datagram left and cannot listen there: EADDRINUSE: whether it arrived cannot be told',
  });
});

test('unless somebody listened for it', () => {
  expect(asBlocked(failed('silent'))).toEqual({
    kind: 'seen',
    actual: 'blocked',
    addresses: null,
    detail: '192.0.2.1 silent',
  });
});
