// What outlives a process and is taken over by the next one, and what outlives a flush of the kernel's table: grants and lookups. Only between two
// turns, never on the way of a query.
import { familyOf } from '../base/ip.ts';
import { COUNT } from '../bridge/counters.ts';
import { KEPT_AFTER_END_MS } from '../bridge/protocol.ts';
import type { Inheritance, KeptLookup } from '../bridge/protocol.ts';
import { hashName } from '../dns/name-hash.ts';
import { COMMIT } from '../kernel/set-writer.ts';
import { regrant } from './adopt.ts';
import type { Plane } from './plane.ts';
import { Noted } from './state/lookups.ts';

const ADDRESS_BYTES = 16;
/** Newest lookups of a pod that are kept: the file stays small, and what is missing in it is looked up again. */
const KEPT_OF_POD = 1_000;
/** Elements at once: 4 ms. */
const REFILLED_AT_ONCE = 512;

/** After the first snapshot. Grants are noted, so that they can be removed, but not relied on: they may be of one of a pod's addresses only. */
export function inherit(plane: Plane, { grants, lookups, changed }: Inheritance): void {
  for (const { pod: id, classIndex, address, leftMs } of grants) {
    const pod = plane.pods.indexOfId(id);
    if (pod >= 0 && plane.grants.hasRoom(pod, 1))
      plane.grants.reserve(classIndex, pod, address, 0, plane.nowMs + leftMs);
  }
  const noted = new Noted();
  // What has ended first: the ring loses it first, and what is noted last under a name is what is granted.
  const endedFirst = lookups.toSorted((a, b) => Number(a.leftMs > 0) - Number(b.leftMs > 0));
  for (const { pod: id, name, addresses, leftMs } of endedFirst) {
    const pod = plane.pods.indexOfId(id);
    if (pod < 0) continue;
    noted.bytes = new Uint8Array(name.length + addresses.length);
    noted.bytes.set(name);
    noted.bytes.set(addresses, name.length);
    noted.nameBytes = name.length;
    noted.addressesAt = name.length;
    noted.addressCount = addresses.length / ADDRESS_BYTES;
    noted.expiryMs = plane.nowMs + leftMs;
    noted.nowMs = plane.nowMs;
    noted.nameHash = hashName(name, 0, name.length, plane.seed);
    // Those of A and of AAAA keep apart, as they do under the hashes of their queries.
    const family = addresses.length === 0 ? 4 : familyOf(addresses, 0);
    plane.lookups.note(pod, noted.nameHash ^ family, noted);
  }
  for (const id of changed) regrant(plane, plane.pods.indexOfId(id));
}

/** The pod's lookups that would be granted still and those that ended lately, the newest of them: a reason for what is open since then. */
export function keptLookups(plane: Plane, id: number): KeptLookup[] {
  const pod = plane.pods.indexOfId(id);
  if (pod < 0) return [];
  const sinceMs = plane.nowMs - KEPT_AFTER_END_MS;
  const lookups = plane.lookups.newest(pod, { nowMs: plane.nowMs, sinceMs, most: KEPT_OF_POD });
  return lookups.map(({ name, addresses, expiryMs }) => ({ pod: id, name, addresses, leftMs: expiryMs - plane.nowMs }));
}

/** Puts live grants into the kernel again, some at a time. Where to go on, -1 when all are there. */
export function refill(plane: Plane, from: number): number {
  const { grants, pods, writer, nowMs } = plane;
  const { found, next } = grants.some(from, REFILLED_AT_ONCE, nowMs);
  for (const { pod, classIndex, address, expiryMs } of found) {
    for (const source of pods.addresses(pod, familyOf(address))) {
      writer.add(classIndex, source, 0, address, 0, expiryMs - nowMs);
    }
  }
  const outcome = writer.commit();
  plane.count(outcome === COMMIT.Done ? COUNT.commits : COUNT.commits_failed);
  if (outcome === COMMIT.Done) {
    for (const { pod, classIndex, address } of found) grants.confirm(classIndex, pod, address, 0);
  }
  return next;
}
