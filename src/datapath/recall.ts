// Which names a pod saw resolve to an address: what the audit says of a denied connection, and what decides whether an open one may stay
// when policy changes. Looks through the pod's recent lookups; never on the way of a query.
import type { RecalledName, RecallQuestion } from '../bridge/protocol.ts';
import { hashName } from '../dns/name-hash.ts';
import { formatName } from '../dns/name.ts';
import type { Plane } from './plane.ts';
import type { Lookup } from './state/lookups.ts';

const ADDRESS_BYTES = 16;
const NAMES_PER_ANSWER = 8;

/** For each question the names, the one looked up last first. */
export function recall(plane: Plane, questions: readonly RecallQuestion[]): RecalledName[][] {
  const lookups = new Map<number, readonly Lookup[]>();
  return questions.map(({ pod: id, address }) => {
    const pod = plane.pods.indexOfId(id);
    if (pod < 0) return [];
    const known = lookups.get(pod) ?? plane.lookups.of(pod, Number.NEGATIVE_INFINITY);
    lookups.set(pod, known);
    return namesOf(plane, plane.pods.programs[pod]!, known, address);
  });
}

function namesOf(plane: Plane, program: number, lookups: readonly Lookup[], address: Uint8Array): RecalledName[] {
  const found = new Map<string, RecalledName>();
  for (let i = lookups.length - 1; i >= 0 && found.size < NAMES_PER_ANSWER; i--) {
    const { name, addresses, expiryMs } = lookups[i]!;
    if (!holds(addresses, address)) continue;
    const text = formatName(name, 0);
    if (found.has(text)) continue;
    const hash = hashName(name, 0, name.length, plane.seed);
    const { classes } = plane.programs.judge(program, name, 0, name.length, hash);
    found.set(text, { name: text, leftMs: expiryMs - plane.nowMs, classes });
  }
  return [...found.values()];
}

function holds(addresses: Uint8Array, address: Uint8Array): boolean {
  for (let at = 0; at < addresses.length; at += ADDRESS_BYTES) {
    let i = 0;
    while (i < ADDRESS_BYTES && addresses[at + i] === address[i]) i++;
    if (i === ADDRESS_BYTES) return true;
  }
  return false;
}
