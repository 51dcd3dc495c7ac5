// Takes over a new snapshot in two steps, make before break. `adopt`: who is gone loses every grant, and what a new rule allows is
// granted from the pod's recent lookups, so that nobody has to ask again (design §6). Then the main thread switches the kernel's chains.
// `prune`: what lost its reason is removed.
import { COUNT } from '../bridge/counters.ts';
import type { Snapshot } from '../bridge/snapshot.ts';
import { familyOf } from '../base/ip.ts';
import { hashName } from '../dns/name-hash.ts';
import { COMMIT } from '../kernel/set-writer.ts';
import type { Plane } from './plane.ts';
import { Programs } from './state/programs.ts';

const ADDRESS_BYTES = 16;
const SETTLED_MS = 1; // two expiries that differ by less are one: doubles are exact to far less, the kernel's jiffies to more

/**
 * Call between two turns: nothing may wait for a commit. False when the kernel did not take all of it; then the mirror is not
 * believed, so that nothing is answered without a commit, and the caller reports it.
 */
export function adopt(plane: Plane, snapshot: Snapshot): boolean {
  const { pods, grants, writer } = plane;
  let isDone = true;
  for (const pod of pods.missingFrom(snapshot)) {
    isDone = removeGrants(plane, pod, () => true) && isDone;
    plane.lookups.forgetPod(pod);
    plane.unpruned.delete(pod);
    plane.programIds[pod] = '';
  }
  renumber(plane, snapshot.classIds);
  writer.define(snapshot.classIds);
  pods.replace(snapshot);
  plane.programs = new Programs(snapshot.programs);
  plane.classIds = snapshot.classIds;
  plane.setNames = new Set(snapshot.classIds.flatMap((id) => [`grants4_${id}`, `grants6_${id}`]));
  plane.generation = snapshot.generation;
  for (const { id, program } of snapshot.pods) {
    const pod = pods.indexOfId(id);
    const programId = snapshot.programs[program]?.id ?? '';
    if (plane.programIds[pod] === programId) continue;
    plane.programIds[pod] = programId;
    plane.unpruned.add(pod);
    isDone = addGrants(plane, pod, [...earned(plane, pod, program).values()]) && isDone;
  }
  if (!isDone) grants.distrust();
  return isDone;
}

/** Removes the grants that have no reason under the programs adopted last. False as in adopt; what failed is tried again next time. */
export function prune(plane: Plane): boolean {
  for (const pod of plane.unpruned) {
    const wanted = earned(plane, pod, plane.pods.programs[pod]!);
    const isLeft = (classIndex: number, address: Uint8Array): boolean => !wanted.has(keyOf(classIndex, address));
    if (removeGrants(plane, pod, isLeft)) plane.unpruned.delete(pod);
    else plane.grants.distrust();
  }
  return plane.unpruned.size === 0;
}

/** Grants that another class index means now. A class that is gone has no chain that asks it, and its sets are deleted afterwards. */
function renumber(plane: Plane, classIds: readonly string[]): void {
  const numbers = plane.classIds.map((id) => classIds.indexOf(id));
  if (numbers.every((number, old) => number === old)) return;
  plane.grants.renumberClasses(numbers);
}

interface Wanted {
  readonly classIndex: number;
  readonly address: Uint8Array;
  expiryMs: number;
}

/** What the pod's recent lookups would have been granted under `program`. */
function earned(plane: Plane, pod: number, program: number): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  if (program < 0) return wanted;
  for (const { name, addresses, expiryMs } of plane.lookups.of(pod)) {
    if (expiryMs <= plane.nowMs) continue;
    const hash = hashName(name, 0, name.length, plane.seed);
    for (const classIndex of plane.programs.judge(program, name, 0, name.length, hash).classes) {
      for (let at = 0; at < addresses.length; at += ADDRESS_BYTES) {
        const address = addresses.slice(at, at + ADDRESS_BYTES);
        const key = keyOf(classIndex, address);
        const known = wanted.get(key);
        if (known === undefined) wanted.set(key, { classIndex, address, expiryMs });
        else known.expiryMs = Math.max(known.expiryMs, expiryMs);
      }
    }
  }
  return wanted;
}

/** Policy changes are rare: here a text is a fine key. */
function keyOf(classIndex: number, address: Uint8Array): string {
  return `${classIndex} ${address.join('.')}`;
}

function removeGrants(
  plane: Plane,
  pod: number,
  isRevoked: (classIndex: number, address: Uint8Array) => boolean,
): boolean {
  const { grants, writer, pods } = plane;
  let isDone = true;
  grants.filterPod(pod, (classIndex, address) => {
    if (!isRevoked(classIndex, address)) return false;
    plane.count(COUNT.grants_removed);
    for (const source of pods.addresses(pod, familyOf(address))) {
      if (writer.remove(classIndex, source, 0, address, 0)) continue;
      isDone = flush(plane) && isDone;
      writer.remove(classIndex, source, 0, address, 0);
    }
    return true;
  });
  return flush(plane) && isDone;
}

function addGrants(plane: Plane, pod: number, wanted: readonly Wanted[]): boolean {
  const { grants, writer, pods, nowMs } = plane;
  const missing = wanted.filter(
    ({ classIndex, address, expiryMs }) => grants.expiryMs(classIndex, pod, address, 0) < expiryMs - SETTLED_MS,
  );
  let isDone = true;
  for (const { classIndex, address, expiryMs } of missing) {
    for (const source of pods.addresses(pod, familyOf(address))) {
      if (writer.add(classIndex, source, 0, address, 0, expiryMs - nowMs)) continue;
      isDone = flush(plane) && isDone;
      writer.add(classIndex, source, 0, address, 0, expiryMs - nowMs);
    }
  }
  if (!flush(plane) || !isDone) return false;
  for (const { classIndex, address, expiryMs } of missing) grants.set(classIndex, pod, address, 0, expiryMs);
  plane.counters[COUNT.grants_added]! += missing.length;
  return true;
}

function flush(plane: Plane): boolean {
  if (plane.writer.pending === 0) return true;
  const isDone = plane.writer.commit() === COMMIT.Done;
  plane.count(isDone ? COUNT.commits : COUNT.commits_failed);
  return isDone;
}
