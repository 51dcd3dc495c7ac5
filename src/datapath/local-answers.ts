// The questions that are answered without asking anyone, and without asking policy: such an answer grants nothing, and needs no grant for
// what it shows (I3), since a loopback address never leaves its pod.
import type { Denial as Reply } from '../dns/build-reply.ts';
import { TYPE } from '../dns/codes.ts';
import { hasHostileByte } from '../dns/name.ts';
import { SPECIAL, specialName } from '../dns/special-names.ts';
import { LOOPBACK4, LOOPBACK6, MINIMAL_ANY, NO_RECORDS, SPECIAL_UNKNOWN } from './denials.ts';
import type { Plane } from './plane.ts';
import { NAME_BYTES } from './state/query-slots.ts';

/** The root alone, on the wire. */
const ROOT_BYTES = 1;

/** The answer to the slot's question, if its name is a special-use one; it is the same for every pod. */
export function localAnswer(plane: Plane, slot: number): Reply | undefined {
  const { slots } = plane;
  const start = slot * NAME_BYTES;
  const length = slots.qnameLength[slot]!;
  switch (specialName(slots.folded, start, length)) {
    case SPECIAL.Ordinary:
      return undefined;
    case SPECIAL.Loopback:
      // A program that ends strings at a NUL would learn an address for another name than it asked for.
      return hasHostileByte(slots.folded, start, length) ? SPECIAL_UNKNOWN : loopback(slots.qtype[slot]!);
    case SPECIAL.NoData:
      return NO_RECORDS;
    case SPECIAL.UnknownUnlessZone:
      return isInZone(plane, start, length) ? undefined : SPECIAL_UNKNOWN;
    default:
      return SPECIAL_UNKNOWN;
  }
}

/**
 * `. NS`, the health check of CoreDNS' `forward`, which takes any response for healthy (plugin/pkg/proxy/health.go) and no response, as
 * `denied: drop` would give, for the end. A pod whose policy allows the root gets the true answer; the others get one without records,
 * from which nothing can be learned and which opens nothing.
 */
export function isHealthCheck({ slots }: Plane, slot: number): boolean {
  return slots.qnameLength[slot] === ROOT_BYTES && slots.qtype[slot] === TYPE.NS;
}

function loopback(qtype: number): Reply {
  if (qtype === TYPE.A) return LOOPBACK4;
  if (qtype === TYPE.AAAA) return LOOPBACK6;
  return qtype === TYPE.ANY ? MINIMAL_ANY : NO_RECORDS;
}

/** Whether servers of its own are configured for a zone that the name is in: any but the root's. */
function isInZone({ slots, upstreams }: Plane, start: number, length: number): boolean {
  return (upstreams.zoneOf(slots.folded, start, length)?.name.length ?? ROOT_BYTES) > ROOT_BYTES;
}
