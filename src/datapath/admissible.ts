// Which addresses of an answer may be granted: those of the asked type at the end of its chain, and the hints of HTTPS and SVCB records there,
// as far as no range is closed to them and there are not too many. They are copied to plane.draft; the others are struck from plane.answer, so
// that a reply made of it shows what is granted and nothing else (I2, I3).
import { ADDRESS_BYTES, familyOf } from '../base/ip.ts';
import { ROLE } from '../dns/answer.ts';
import { RCODE, TYPE } from '../dns/codes.ts';
import { readSvcbHints, strike } from '../dns/svcb.ts';
import type { Plane } from './plane.ts';
import { ANY_CLASS } from './state/answer-ranges.ts';
import type { Opening } from './state/answer-ranges.ts';
import { MOST_OF_NAME } from './state/name-addresses.ts';

/** Of one answer, where the settings say nothing else. No honest name needs more (threats.md A14), and a batch holds dozens of such answers. */
const MOST_ADDRESSES = 256;

/** Bits: of which families addresses may be. */
export const FAMILY = { Ipv4: 1, Ipv6: 2, Both: 3 } as const;

/** Judges every address of the answer section; plane.ranges was told of the name. */
export function takeAdmissible(
  plane: Plane,
  bytes: Uint8Array,
  opens: readonly Opening[] | undefined,
  families: number,
): void {
  const { answer, chain, draft } = plane;
  draft.addressCount = draft.withheld = draft.capped = 0;
  if (chain.addresses + chain.services === 0) return;
  for (let i = 0; i < answer.answerRecords; i++) {
    if (answer.role[i] === ROLE.Address) {
      const isTaken = take(plane, bytes, answer.rdataOffset[i]!, answer.type[i] === TYPE.AAAA, opens, families);
      if (!isTaken) answer.role[i] = ROLE.Foreign;
    } else if (answer.role[i] === ROLE.Service && !takeHints(plane, bytes, i, opens, families)) {
      answer.role[i] = ROLE.Foreign;
    }
  }
}

/** False for a record that must not be shown at all. */
function takeHints(
  plane: Plane,
  bytes: Uint8Array,
  i: number,
  opens: readonly Opening[] | undefined,
  families: number,
): boolean {
  const { answer, draft } = plane;
  const { hints } = answer;
  if (answer.rcode !== RCODE.NoError || !readSvcbHints(bytes, answer, i, hints)) return false;
  const before = draft.addressCount;
  for (let at = hints.ipv4Offset; at < hints.ipv4Offset + hints.ipv4Length; at += 4) {
    if (hints.isAlias || !take(plane, bytes, at, false, opens, families)) strike(answer, i, at);
  }
  const between = draft.addressCount;
  for (let at = hints.ipv6Offset; at < hints.ipv6Offset + hints.ipv6Length; at += 16) {
    if (hints.isAlias || !take(plane, bytes, at, true, opens, families)) strike(answer, i, at);
  }
  const lacksIpv4 = hints.needsIpv4 && between === before;
  const lacksIpv6 = hints.needsIpv6 && draft.addressCount === between;
  if (!lacksIpv4 && !lacksIpv6) return true;
  draft.addressCount = before; // what is not shown is not granted
  return false;
}

/** Copies the address at `offset` behind those taken so far, if it may be granted. */
function take(
  plane: Plane,
  bytes: Uint8Array,
  offset: number,
  isIpv6: boolean,
  opens: readonly Opening[] | undefined,
  families: number,
): boolean {
  const { answer, draft, ranges, settings } = plane;
  const { addresses: found } = draft;
  if (answer.rcode !== RCODE.NoError || (families & (isIpv6 ? FAMILY.Ipv6 : FAMILY.Ipv4)) === 0) return false;
  // One answer alone must not be too much for its name.
  if (draft.addressCount >= Math.min(settings.maxAddresses ?? MOST_ADDRESSES, MOST_OF_NAME)) {
    draft.capped++;
    return false;
  }
  const at = draft.addressCount * ADDRESS_BYTES;
  const length = isIpv6 ? 16 : 4;
  for (let b = 0; b < ADDRESS_BYTES - length; b++) found[at + b] = b < 10 ? 0 : 0xff;
  for (let b = 0; b < length; b++) found[at + ADDRESS_BYTES - length + b] = bytes[offset + b]!;
  // ::ffff:a.b.c.d leaves the pod as IPv4 (V10): in an AAAA record it is never honest.
  const isMapped = isIpv6 && familyOf(found, at) === 4;
  if (isMapped || !ranges.mayGrant(opens, ANY_CLASS, found, at)) {
    draft.withheld++;
    return false;
  }
  draft.addressCount++;
  return true;
}
