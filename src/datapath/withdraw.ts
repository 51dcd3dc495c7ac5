// Takes back what a name has to give up: the oldest of its addresses in a pod that has too many of them (state/name-addresses.ts), unless another
// name gives the pod the same one. It goes out with the next batch, behind what the queries of that batch add:
//   T0  the name's newest answer is in the kernel, and noted: it has one address too many now
//   T1  before the next batch is sent, the oldest one is looked for in the mirror. If this very batch adds it for somebody, it stays.
//   T2  the mirror relies on it no longer, and its removal is written: a query from here on adds it again, in a later batch
//   T3  the kernel acknowledges the batch; what nobody has added since is forgotten. Had it refused, the mirror would know it still.
import { ADDRESS_BYTES, familyOf } from '../base/ip.ts';
import { CAP } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import { hashName } from '../dns/name-hash.ts';
import { reachCap } from './caps.ts';
import type { Plane } from './plane.ts';
import { TRANSPORT } from './state/programs.ts';
import { NO_SLOT } from './state/query-slots.ts';

/** Addresses looked at for one batch: 5 ms at worst, with lookups made such that asking them is slow. What is more waits for the next one. */
const AT_ONCE = 256;
/** What ends by itself so soon is left alone: a removal of nothing can fail (a full set), and would take the others with it. */
const SOON_MS = 1_000;
const NO_CLASSES: readonly number[] = [];
/** Lookups of one address that are asked whether they give it, too. */
const LOOKUPS = 256;

/** Sees to it that a batch is sent, although perhaps nobody waits for one: NO_SLOT stands for nobody. */
export function callForBatch(plane: Plane): void {
  if (plane.admittedCount === 0) plane.admitted[plane.admittedCount++] = NO_SLOT;
}

/** Writes removals into the batch that is about to be sent. True when there is more to be taken back than was looked at. */
export function withdraw(plane: Plane): boolean {
  const { lookups, withdrawn, writer, nowMs } = plane;
  const { taken } = lookups.addresses;
  let pod = -1;
  let hash = 0;
  for (let n = 0; n < AT_ONCE; n++) {
    if (withdrawn.isFull || !writer.hasRoomFor(0, AT_ONCE)) break;
    if (!lookups.addresses.takeExcess(nowMs)) return false;
    const isSame = taken.pod === pod && taken.hash === hash;
    if (takeBack(plane) && !isSame) capped(plane, taken.pod);
    ({ pod, hash } = taken);
  }
  return true;
}

/** When the kernel has answered: what it took away the mirror forgets, unless somebody has put it into the batch that is being written. */
export function settleWithdrawn(plane: Plane, isDone: boolean): void {
  const { withdrawn, grants, batch } = plane;
  const { classes, pods, addresses, count } = withdrawn;
  withdrawn.count = 0;
  if (!isDone) return;
  plane.counters[COUNT.grants_removed]! += count;
  for (let i = 0, at = 0; i < count; i++, at += ADDRESS_BYTES) {
    if (grants.isPutInto(batch, classes[i]!, pods[i]!, addresses, at)) continue;
    grants.delete(classes[i]!, pods[i]!, addresses, at);
  }
}

/** The address that was taken last, in every class that only its name gave it in. False when none of it was the name's alone. */
function takeBack(plane: Plane): boolean {
  const { lookups, pods, grants, writer, withdrawn, batch, nowMs } = plane;
  const { pod, hash, address } = lookups.addresses.taken;
  const before = withdrawn.count;
  let kept: readonly number[] | undefined;
  for (let c = 0; c < plane.classIds.length && !withdrawn.isFull; c++) {
    const isThere = Math.abs(grants.expiryMs(c, pod, address, 0)) > nowMs + SOON_MS;
    if (!isThere || grants.isPutInto(batch, c, pod, address, 0)) continue;
    kept ??= classesOfOthers(plane, pod, hash, address);
    if (kept.includes(c)) continue;
    const sources = pods.addresses(pod, familyOf(address));
    if (!writer.hasRoomFor(c, sources.length)) break; // it ends with its time
    grants.doubt(c, pod, address, 0);
    for (let s = 0; s < sources.length; s++) writer.remove(c, sources[s]!, 0, address, 0);
    withdrawn.push(c, pod, address);
  }
  return withdrawn.count > before;
}

/** The classes in which other names of the pod give it the address. */
function classesOfOthers(plane: Plane, pod: number, hash: number, address: Uint8Array): readonly number[] {
  const { lookups, pods, programs, ranges, seed, nowMs } = plane;
  if (lookups.addresses.isGivenByNone(pod, address, nowMs)) return NO_CLASSES;
  const found: number[] = [];
  for (const { name, expiryMs } of lookups.withAddress(pod, address, LOOKUPS)) {
    const other = hashName(name, 0, name.length, seed);
    if (expiryMs <= nowMs || (other | 0) === hash || !lookups.addresses.gives(pod, other, address, 0)) continue;
    const { classes, opens } = programs.judge(pods.programs[pod]!, name, 0, name.length, other, TRANSPORT.Any);
    ranges.about(name, 0, name.length);
    found.push(...classes.filter((c) => !found.includes(c) && ranges.mayGrant(opens, c, address, 0)));
  }
  return found;
}

/** A name had to give up something in this pod: once for each batch. */
function capped(plane: Plane, pod: number): void {
  plane.count(COUNT.names_capped);
  reachCap(plane, pod, CAP.addresses);
}
