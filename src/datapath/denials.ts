// Every reply without records that we make ourselves, built once: what was refused, by which rcode, with which Extended DNS Error
// (RFC 8914) for clients that speak EDNS. No SOA, so that no cache in front keeps one pod's denial for another (RFC 2308 §5).
import { assertNever } from '../base/errors.ts';
import { EDE, RCODE } from '../dns/codes.ts';
import { QUERY } from '../dns/query.ts';
import type { Denial as Reply } from '../dns/build-reply.ts';
import type { Denial } from './settings.ts';

export const NOT_A_POD = reply(RCODE.Refused, EDE.Prohibited, 'namewall: unknown client');
export const NOT_FORWARDED = reply(RCODE.Refused, EDE.NotSupported, 'namewall: type not supported');
export const NO_RECORDS = reply(RCODE.NoError);
export const PROTECTED = reply(RCODE.NoError, EDE.Blocked, 'namewall: protected address withheld');
export const NOT_GRANTED = reply(RCODE.ServFail, EDE.Other, 'namewall: address could not be allowed');
export const OVER_QUOTA = reply(RCODE.ServFail, EDE.Other, 'namewall: quota reached');
export const NO_UPSTREAM = reply(RCODE.ServFail, EDE.NoReachableAuthority, 'namewall: no answer from upstream');
export const BAD_UPSTREAM = reply(RCODE.ServFail, EDE.NetworkError, 'namewall: unusable answer from upstream');
/** What is answered while a failure is remembered, by the rcode of then; EDE 13 is for SERVFAIL (RFC 8914 §4.14). */
export const REMEMBERED: Readonly<Record<number, Reply>> = {
  [RCODE.ServFail]: reply(RCODE.ServFail, EDE.CachedError, 'namewall: no usable answer from upstream a moment ago'),
  [RCODE.FormErr]: reply(RCODE.FormErr),
  [RCODE.NotImp]: reply(RCODE.NotImp),
  [RCODE.Refused]: reply(RCODE.Refused),
};
export const INTERNAL = reply(RCODE.ServFail, EDE.Other, 'namewall: internal error');

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

function reply(rcode: number, ede?: number, text = ''): Reply {
  if (ede === undefined) return { rcode, ede: undefined };
  return { rcode, ede: { code: ede, text: new TextEncoder().encode(text) } };
}
