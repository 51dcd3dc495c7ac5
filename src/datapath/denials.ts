// Every reply that we make ourselves, built once: what was refused, by which rcode, with which Extended DNS Error (RFC 8914) for clients that
// speak EDNS; and the few answers that need no upstream. No SOA, so that no cache in front keeps one pod's denial for another (RFC 2308 §5).
import { assertNever } from '../base/errors.ts';
import { EDE, RCODE, TYPE } from '../dns/codes.ts';
import { QUERY } from '../dns/query.ts';
import { recordOfQuestion } from '../dns/build-reply.ts';
import type { Denial as Reply } from '../dns/build-reply.ts';
import type { Denial } from './settings.ts';

export const NOT_A_POD = reply(RCODE.Refused, EDE.Prohibited, 'namewall: unknown client');
/** Before the first policy and the first pods are known. */
export const NOT_READY = reply(RCODE.ServFail, EDE.NotReady, 'namewall: not ready');
/** For who has no OPT to say the whole rcode in. */
export const UNSAYABLE = reply(RCODE.ServFail);
export const NO_RECORDS = reply(RCODE.NoError);
export const PROTECTED = reply(RCODE.NoError, EDE.Blocked, 'namewall: protected address withheld');
export const NOT_GRANTED = reply(RCODE.ServFail, EDE.Other, 'namewall: address could not be allowed');
export const OVER_QUOTA = reply(RCODE.ServFail, EDE.Other, 'namewall: quota reached');
export const NO_UPSTREAM = reply(RCODE.ServFail, EDE.NoReachableAuthority, 'namewall: no answer from upstream');
export const BAD_UPSTREAM = reply(RCODE.ServFail, EDE.NetworkError, 'namewall: unusable answer from upstream');
export const LOST_UPSTREAM = reply(RCODE.ServFail, EDE.NetworkError, 'namewall: connection to upstream failed');
/** What is answered while a failure is remembered, by the rcode of then; EDE 13 is for SERVFAIL (RFC 8914 §4.14). */
export const REMEMBERED: Readonly<Record<number, Reply>> = {
  [RCODE.ServFail]: reply(RCODE.ServFail, EDE.CachedError, 'namewall: no usable answer from upstream a moment ago'),
  [RCODE.FormErr]: reply(RCODE.FormErr),
  [RCODE.NotImp]: reply(RCODE.NotImp),
  [RCODE.Refused]: reply(RCODE.Refused),
};
export const INTERNAL = reply(RCODE.ServFail, EDE.Other, 'namewall: internal error');

/** What unbound gives its localhost; it is true for ever. */
const LOOPBACK_TTL_SECONDS = 10_800;
const LOOPBACK4_BYTES = Uint8Array.of(127, 0, 0, 1);
const LOOPBACK6_BYTES = new Uint8Array(16).fill(1, 15);
/** Clients that ask for ANY again and again are what RFC 8482 is about. */
const MINIMAL_TTL_SECONDS = 3_600;
/** RFC 8482 §4.2, RFC 1035 §3.3.2: CPU "RFC8482", OS "". */
const MINIMAL_HINFO = Uint8Array.of(7, ...new TextEncoder().encode('RFC8482'), 0);

export const LOOPBACK4 = withRecord(TYPE.A, LOOPBACK_TTL_SECONDS, LOOPBACK4_BYTES);
export const LOOPBACK6 = withRecord(TYPE.AAAA, LOOPBACK_TTL_SECONDS, LOOPBACK6_BYTES);
/** ANY, for a name that may be asked. Not REFUSED: clients take that for a broken server and ask the next one. */
export const MINIMAL_ANY = withRecord(TYPE.HINFO, MINIMAL_TTL_SECONDS, MINIMAL_HINFO);
export const SPECIAL_UNKNOWN = reply(RCODE.NXDomain, EDE.Other, 'namewall: special use name');

const BLOCKED = 'namewall: name not allowed by policy';

/** The answer to a name that policy does not allow; undefined: none at all. */
export function denialFor(denial: Denial): Reply | undefined {
  switch (denial) {
    case 'nxdomain':
      return reply(RCODE.NXDomain, EDE.Blocked, BLOCKED);
    case 'refused':
      return reply(RCODE.Refused, EDE.Blocked, BLOCKED);
    case 'nodata':
      return reply(RCODE.NoError, EDE.Blocked, BLOCKED);
    case 'drop':
      return undefined;
    default:
      return assertNever(denial);
  }
}

/** What a message that is no query we serve is answered with, by its code of QUERY. */
export const REFUSALS: Readonly<Record<number, Reply>> = {
  [QUERY.FormErr]: reply(RCODE.FormErr),
  [QUERY.NotImp]: reply(RCODE.NotImp),
  [QUERY.Refused]: reply(RCODE.Refused),
  [QUERY.BadVers]: reply(RCODE.BadVers),
};

function withRecord(type: number, ttlSeconds: number, rdata: Uint8Array): Reply {
  return { ...reply(RCODE.NoError), record: recordOfQuestion(type, ttlSeconds, rdata) };
}

function reply(rcode: number, ede?: number, text = ''): Reply {
  if (ede === undefined) return { rcode, ede: undefined };
  return { rcode, ede: { code: ede, text: new TextEncoder().encode(text) } };
}
