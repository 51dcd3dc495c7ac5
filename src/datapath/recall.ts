// Which names a pod saw resolve to an address: what the audit says of a denied connection, and what decides whether an open one may stay
// when policy changes. Asks the index of the pod's recent lookups, in bounded time; never on the way of a query.
import type { RecalledName, RecallQuestion } from '../bridge/protocol.ts';
import { hashName } from '../dns/name-hash.ts';
import { formatName } from '../dns/name.ts';
import type { Plane } from './plane.ts';
import type { Sighting } from './state/lookups.ts';
import { TRANSPORT } from './state/programs.ts';

/** Lookups of one address that are looked at: the same name may stand there with each of its rotations. */
const LOOKUPS = 64;
const NAMES = 8;

/** For each question the names, the one looked up last first. */
export function recall(plane: Plane, questions: readonly RecallQuestion[]): RecalledName[][] {
  return questions.map(({ pod: id, address }) => {
    const pod = plane.pods.indexOfId(id);
    if (pod < 0) return [];
    return namesOf(plane, plane.pods.programs[pod]!, address, plane.lookups.withAddress(pod, address, LOOKUPS));
  });
}

/** Each with the classes that would be granted this address by it. */
function namesOf(plane: Plane, program: number, address: Uint8Array, lookups: readonly Sighting[]): RecalledName[] {
  const found = new Map<string, RecalledName>();
  for (const { name, expiryMs } of lookups) {
    if (found.size === NAMES) break;
    const text = formatName(name);
    if (found.has(text)) continue;
    const hash = hashName(name, 0, name.length, plane.seed);
    const { classes, opens, rule } = plane.programs.judge(program, name, 0, name.length, hash, TRANSPORT.Any);
    plane.ranges.about(name, 0, name.length);
    const granted = classes.filter((classIndex) => plane.ranges.mayGrant(opens, classIndex, address, 0));
    found.set(text, { name: text, leftMs: expiryMs - plane.nowMs, classes: granted, rule });
  }
  return [...found.values()];
}
