import { expect, test } from 'vitest';
import * as denials from '../../../src/datapath/denials.ts';
import { QUERY } from '../../../src/dns/query.ts';
import { MAX_EDE_TEXT_BYTES } from '../../../src/dns/build-reply.ts';
import type { Denial } from '../../../src/dns/build-reply.ts';

const REFUSED = 5;
const SERVFAIL = 2;
const said = (reply: Denial | undefined): unknown => reply && [reply.rcode, reply.ede?.code];

test.each([
  ['NXDOMAIN, so that a search list goes on', 'nxdomain', [3, 15]],
  ['REFUSED', 'refused', [REFUSED, 15]],
  ['no data', 'nodata', [0, 15]],
  ['nothing at all', 'drop', undefined],
] as const)('a denied name is answered with %s', (_why, denial, want) => {
  expect(said(denials.denialFor(denial))).toEqual(want);
});

test.each([
  ['an unknown client', denials.NOT_A_POD, [REFUSED, 18]],
  ['a special-use name that does not exist', denials.SPECIAL_UNKNOWN, [3, 0]],
  ['no records', denials.NO_RECORDS, [0, undefined]],
  ['localhost, IPv4', denials.LOOPBACK4, [0, undefined]],
  ['localhost, IPv6', denials.LOOPBACK6, [0, undefined]],
  ['ANY', denials.MINIMAL_ANY, [0, undefined]],
  ['only protected addresses', denials.PROTECTED, [0, 15]],
  ['a grant that the kernel refused (I1)', denials.NOT_GRANTED, [SERVFAIL, 0]],
  ['a quota', denials.OVER_QUOTA, [SERVFAIL, 0]],
  ['a silent upstream', denials.NO_UPSTREAM, [SERVFAIL, 22]],
  ['an unusable upstream', denials.BAD_UPSTREAM, [SERVFAIL, 23]],
  ['our own bug', denials.INTERNAL, [SERVFAIL, 0]],
  ['a failure that is remembered', denials.REMEMBERED[SERVFAIL], [SERVFAIL, 13]],
  ['one that is no SERVFAIL: EDE 13 is for those', denials.REMEMBERED[REFUSED], [REFUSED, undefined]],
])('%s', (_why, reply, want) => {
  expect(said(reply)).toEqual(want);
});

test('every code of a message that is answered without a slot has its reply, and the others have none', () => {
  const answered = Object.entries(denials.REFUSALS).map(([code, reply]) => [Number(code), reply.rcode]);
  expect(new Map(answered.map(([code = -1, rcode = -1]) => [code, rcode]))).toEqual(
    new Map([
      [QUERY.FormErr, 1],
      [QUERY.NotImp, 4],
      [QUERY.Refused, REFUSED],
      [QUERY.BadVers, 16],
    ]),
  );
  expect(denials.REFUSALS[QUERY.Drop]).toBeUndefined();
  expect(denials.REFUSALS[QUERY.Ok]).toBeUndefined();
});

test('every explanation says who it is from and is short enough to be sent', () => {
  const replies = [
    ...Object.values(denials),
    ...Object.values(denials.REMEMBERED),
    denials.denialFor('nxdomain'),
  ].flatMap((each) =>
    typeof each === 'object' && each !== null && 'ede' in each && each.ede !== undefined ? [each.ede] : [],
  );
  expect(replies.length).toBeGreaterThan(7);
  for (const { text } of replies) {
    expect(new TextDecoder().decode(text)).toMatch(/^namewall: [a-z ]+$/);
    expect(text.length).toBeLessThanOrEqual(MAX_EDE_TEXT_BYTES);
  }
});
