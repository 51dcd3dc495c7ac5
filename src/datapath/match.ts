// Stage 3: pod and name → verdict. May the name be asked, and what will its addresses open?
import { TYPE } from '../dns/codes.ts';
import { isService } from '../dns/svcb.ts';
import type { Plane } from './plane.ts';
import { TRANSPORT, UNSELECTED } from './state/programs.ts';
import type { Verdict } from './state/programs.ts';
import { NAME_BYTES } from './state/query-slots.ts';

/** What becomes of a query whose pod is known. */
export const MATCH = { Allowed: 0, Denied: 1, Any: 2, NoData: 3, WouldDeny: 4 } as const;

/** Puts the verdict into plane.verdicts[slot] and answers a code of MATCH. */
export function match(plane: Plane, slot: number): number {
  const { slots, pods, verdicts } = plane;
  const qtype = slots.qtype[slot]!;
  const pod = slots.pod[slot]!;
  const program = pods.programs[pod]!;
  const verdict: Verdict =
    program < 0
      ? UNSELECTED
      : plane.programs.judge(
          program,
          slots.folded,
          slot * NAME_BYTES,
          slots.qnameLength[slot]!,
          slots.hash[slot]! ^ Math.imul(qtype, 0x9e3779b1),
          slots.stream[slot]! >= 0 ? TRANSPORT.Tcp : TRANSPORT.Udp,
        );
  verdicts[slot] = verdict;
  const wouldDeny = !verdict.mayAsk;
  if (wouldDeny) {
    if (verdict.toldBy === undefined && pods.isAudited[pod] === 0) return MATCH.Denied;
    // As if no policy selected the pod, but for what a name opens all the same.
    verdicts[slot] = verdict.toldBy === undefined ? UNSELECTED : verdict;
  }
  // An answer of every type would be the largest that a forged source address can ask for, and could not be judged record by record.
  if (qtype === TYPE.ANY) return MATCH.Any;
  // With NODATA clients ask for A and AAAA, which they do anyway.
  if (plane.settings.hints === 'strip' && verdict.classes.length > 0 && isService(qtype)) return MATCH.NoData;
  return wouldDeny ? MATCH.WouldDeny : MATCH.Allowed;
}
