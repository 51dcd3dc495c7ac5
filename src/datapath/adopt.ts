// Takes over a new snapshot in two steps, make before break. `adopt`: who is gone loses every grant, and what a new rule allows is
// granted from the pod's recent lookups, so that nobody has to ask again (design §6). Then the main thread switches the kernel's chains.
// `prune`: what lost its reason is removed.
import { CAP } from '../bridge/audit-record.ts';
import { COUNT } from '../bridge/counters.ts';
import type { Snapshot } from '../bridge/snapshot.ts';
import { familyOf } from '../base/ip.ts';
import { hashName } from '../dns/name-hash.ts';
import { COMMIT } from '../kernel/set-writer.ts';
import { reachCap } from './caps.ts';
import type { Plane } from './plane.ts';
import { isPrivate } from './state/answer-ranges.ts';
import type { Grant } from './state/grants.ts';
import type { Lookup } from './state/lookups.ts';
import { Programs, TRANSPORT } from './state/programs.ts';

const ADDRESS_BYTES = 16;
/** The kernel rounds up to its jiffies: an element of the mirror that expired this long ago is gone there, too. */
const GONE_AFTER_MS = 1_000;
const SETTLED_MS = 1; // two expiries that differ by less are one: doubles are exact to far less, the kernel's jiffies to more

/**
 * Call between two turns: nothing may wait for a commit. False when the kernel did not take all of it; then the mirror is not
 * believed, so that nothing is answered without a commit, and the caller reports it.
 */
export function adopt(plane: Plane, snapshot: Snapshot): boolean {
  const { pods, grants, writer } = plane;
  const gone = new Set(pods.missingFrom(snapshot));
  for (const pod of gone) forget(plane, pod);
  let isDone = removeGrants(plane, gone, () => true);
  renumber(plane, snapshot.classIds);
  writer.define(snapshot.classIds);
  // A pod that is gone but has grants that could not be removed keeps its index: nobody may inherit them.
  pods.replace(snapshot, (pod) => grants.sizeOf(pod) === 0);
  plane.lookups.share(snapshot.pods.length);
  plane.programs = new Programs(snapshot.programs, plane.clusterZones, plane.seed);
  plane.classIds = snapshot.classIds;
  plane.setNames = new Set(snapshot.classIds.flatMap((id) => [`grants4_${id}`, `grants6_${id}`]));
  plane.generation = snapshot.generation;
  plane.shield = snapshot.shield;
  for (const { id, program } of snapshot.pods) {
    const pod = pods.indexOfId(id);
    const programId = snapshot.programs[program]?.id ?? '';
    if (plane.programIds[pod] === programId) continue;
    plane.programIds[pod] = programId;
    if (grants.sizeOf(pod) > 0) plane.unpruned.add(pod);
    isDone = addGrants(plane, pod, [...earned(plane, pod, program).values()]) && isDone;
  }
  if (!isDone) grants.distrust();
  return isDone;
}

/** Grants what the pod's lookups earn under its program. False when the kernel did not take all of it. */
export function regrant(plane: Plane, pod: number): boolean {
  if (pod < 0) return true;
  return addGrants(plane, pod, [...earned(plane, pod, plane.pods.programs[pod]!).values()]);
}

/** Removes the grants that have no reason under the programs adopted last. False when the kernel refused some: call it again. */
export function prune(plane: Plane): boolean {
  const { unpruned, pods } = plane;
  const wanted = new Map([...unpruned].map((pod) => [pod, earned(plane, pod, pods.programs[pod]!)]));
  const isDone = removeGrants(plane, unpruned, (pod, classIndex, address) => {
    return wanted.get(pod)?.has(keyOf(classIndex, address)) !== true;
  });
  if (isDone) unpruned.clear();
  else plane.grants.distrust();
  return isDone;
}

/**
 * Whether the kernel still has what the mirror relies on, by one element of each class: reading takes no lock of nf_tables, so that it may
 * be done while another program's transaction holds it (V24), when distrust would make every hit wait for a commit.
 */
export function areSetsThere(plane: Plane): boolean {
  const { grants, pods, writer, nowMs } = plane;
  return grants.samples(nowMs + GONE_AFTER_MS, plane.classIds.length).every(({ pod, classIndex, address }) => {
    const [source] = pods.addresses(pod, familyOf(address));
    return source !== undefined && writer.readBack(classIndex, source, 0, address, 0) > 0;
  });
}

function forget(plane: Plane, pod: number): void {
  plane.lookups.forgetPod(pod);
  plane.unpruned.delete(pod);
  plane.programIds[pod] = '';
  plane.budgets.forget(pod);
}

/** Grants that another class index means now. A class that is gone has no chain that asks it, and its sets are deleted afterwards. */
function renumber(plane: Plane, classIds: readonly string[]): void {
  const numbers = plane.classIds.map((id) => classIds.indexOf(id));
  if (numbers.every((number, old) => number === old)) return;
  plane.grants.renumberClasses(numbers);
}

interface Wanted extends Omit<Grant, 'expiryMs'> {
  expiryMs: number;
}

/** What the pod's recent lookups would have been granted under `program`. */
function earned(plane: Plane, pod: number, program: number): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  if (program < 0) return wanted;
  for (const lookup of plane.lookups.of(pod, plane.nowMs)) {
    const { name } = lookup;
    const hash = hashName(name, 0, name.length, plane.seed);
    const { classes, opens } = plane.programs.judge(program, name, 0, name.length, hash, TRANSPORT.Any);
    plane.ranges.about(name, 0, name.length);
    for (const classIndex of classes) {
      // A rule that is gone may have opened some of it; and some of it the name may have given up.
      want(wanted, { pod, classIndex }, lookup, (at) => {
        const { addresses } = lookup;
        const isKept = plane.lookups.addresses.gives(pod, hash, addresses, at);
        return isKept && plane.ranges.mayGrant(opens, classIndex, addresses, at);
      });
    }
  }
  return wanted;
}

function want(
  wanted: Map<string, Wanted>,
  { pod, classIndex }: { readonly pod: number; readonly classIndex: number },
  { addresses, expiryMs }: Lookup,
  mayGrant: (at: number) => boolean,
): void {
  for (let at = 0; at < addresses.length; at += ADDRESS_BYTES) {
    if (!mayGrant(at)) continue;
    const address = addresses.slice(at, at + ADDRESS_BYTES);
    const key = keyOf(classIndex, address);
    const known = wanted.get(key);
    if (known !== undefined) known.expiryMs = Math.max(known.expiryMs, expiryMs);
    else wanted.set(key, { pod, classIndex, address, expiryMs }); // bounded by what lookups.ts keeps of a pod
  }
}

/** Policy changes are rare: here a text is a fine key. */
function keyOf(classIndex: number, address: Uint8Array): string {
  return `${classIndex} ${address.join('.')}`;
}

/** Takes revoked elements of these pods out of the kernel, and out of the mirror only what the kernel acknowledged. */
function removeGrants(plane: Plane, pods: ReadonlySet<number>, isRevoked: IsRevoked): boolean {
  const revoked: Grant[] = [];
  plane.grants.forEachOf(pods, (grant) => {
    // What has expired is left to the sweep: a removal of nothing can fail, too (a full set), and would take the others with it.
    const isThere = grant.expiryMs > plane.nowMs - GONE_AFTER_MS;
    if (isThere && isRevoked(grant.pod, grant.classIndex, grant.address)) revoked.push(grant);
  });
  return inBatches(plane, revoked, {
    write: ({ classIndex, address }, source) => plane.writer.remove(classIndex, source, 0, address, 0),
    learn: ({ pod, classIndex, address }) => {
      plane.grants.delete(classIndex, pod, address, 0);
      plane.count(COUNT.grants_removed);
    },
  });
}

function addGrants(plane: Plane, pod: number, wanted: readonly Wanted[]): boolean {
  const { grants, nowMs } = plane;
  const missing = wanted.filter(
    ({ classIndex, address, expiryMs }) => grants.expiryMs(classIndex, pod, address, 0) < expiryMs - SETTLED_MS,
  );
  // Beyond the quota the oldest lookups wait for being looked up again.
  const admitted = missing.slice(Math.max(0, missing.length - grants.roomOf(pod)));
  const refused = missing.length - admitted.length;
  plane.counters[COUNT.grants_refused]! += refused;
  if (refused > 0) reachCap(plane, pod, CAP.grants, refused);
  return inBatches(plane, admitted, {
    write: ({ classIndex, address, expiryMs }, source) => {
      const untilMs = grants.reserve(classIndex, pod, address, 0, expiryMs);
      return plane.writer.add(classIndex, source, 0, address, 0, untilMs - nowMs);
    },
    learn: ({ classIndex, address }) => {
      grants.confirm(classIndex, pod, address, 0);
      plane.count(COUNT.grants_added);
      if (isPrivate(address, 0)) plane.count(COUNT.grants_private);
    },
  });
}

type IsRevoked = (pod: number, classIndex: number, address: Uint8Array) => boolean;

/** Few enough that a batch always holds them, with any number of addresses that a pod has; and that other programs get their turn. */
const ELEMENTS_PER_BATCH = 256;

/** Commits the elements some at a time, for each address of their pod; `learn` is called for those that the kernel acknowledged. */
function inBatches<T extends Grant | Wanted>(
  plane: Plane,
  elements: readonly T[],
  { write, learn }: { write: (element: T, source: Uint8Array) => boolean; learn: (element: T) => void },
): boolean {
  let isDone = true;
  for (let first = 0; first < elements.length; first += ELEMENTS_PER_BATCH) {
    const batch = elements.slice(first, first + ELEMENTS_PER_BATCH);
    const isWritten = batch.every((element) =>
      plane.pods.addresses(element.pod, familyOf(element.address)).every((source) => write(element, source)),
    );
    const outcome = plane.writer.commit();
    plane.count(outcome === COMMIT.Done ? COUNT.commits : COUNT.commits_failed);
    if (isWritten && outcome === COMMIT.Done) batch.forEach(learn);
    else isDone = false;
  }
  return isDone;
}
