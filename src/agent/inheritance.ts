// What of the process before is taken over at a start: a grant stays where its address is still the same pod's, and that pod is judged by the
// same program or one that allows a name which the pod saw resolve to it. Everything else ends before the first rule of this process (I4).
import { formatAddress } from '../base/ip.ts';
import type { Inheritance, InheritedGrant, KeptLookup } from '../bridge/protocol.ts';
import type { Former } from '../kernel/inherited-grants.ts';
import { openableRanges, RangeMatcher } from '../kernel/protected.ts';
import type { DumpedGrant } from '../kernel/table-dump.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import { ruleMatches } from '../policy/match.ts';
import type { Config } from './config.ts';
import { closedInKernel, extraRanges } from './inputs.ts';
import { judgements } from './revocation.ts';
import { owners } from './state.ts';
import type { State } from './state.ts';

const ADDRESS_BYTES = 16;

export interface Takeover {
  readonly inheritance: Inheritance;
  readonly kept: readonly DumpedGrant[];
  readonly ended: readonly DumpedGrant[];
  /** Ids of pods whose open connections were judged by the same policy before: they need no new verdict. */
  readonly judged: ReadonlySet<number>;
  /** Ids of pods with an address that was another's: what is open there is not theirs. */
  readonly strangers: ReadonlySet<number>;
}

/** `saved` is what the file has of pods of `state`. It is believed of pods that the kernel knows as the same: the file may be another table's. */
export function takeOver(config: Config, state: State, former: Former, saved: readonly KeptLookup[]): Takeover {
  const pods = new Map(
    state.registry.pods.flatMap((pod, i) => pod.pod.addresses.map((address) => [address, { pod, i }])),
  );
  const current = owners(state);
  const isSamePod = (address: string): boolean => former.owners.get(address) === current.get(address);
  const isUnchanged = ({ pod }: RegisteredPod, i: number): boolean => {
    const program = state.compiled.programs[state.compiled.programOfPod[i] ?? -1];
    const chain = program && `policy_${program.id}`;
    return pod.addresses.every((address) => isSamePod(address) && former.chains.get(address) === chain);
  };
  const unchanged: ReadonlySet<number> = new Set(state.registry.pods.filter(isUnchanged).map(({ id }) => id));
  const judgement = judgements(config, state);
  const isJudged = (pod: RegisteredPod): boolean =>
    unchanged.has(pod.id) && pod.pod.addresses.every((each) => former.judged.get(each) === judgement.get(each));
  const judged: ReadonlySet<number> = new Set(state.registry.pods.filter(isJudged).map(({ id }) => id));
  const isStranger = ({ pod }: RegisteredPod): boolean =>
    pod.addresses.some((each) => former.owners.has(each) && !isSamePod(each));
  const strangers: ReadonlySet<number> = new Set(state.registry.pods.filter(isStranger).map(({ id }) => id));
  const isKnown = ({ pod }: RegisteredPod): boolean => pod.addresses.every(isSamePod);
  const known: ReadonlySet<number> = new Set(state.registry.pods.filter(isKnown).map(({ id }) => id));
  const lookups = saved.filter(({ pod }) => known.has(pod));
  const earned = earnings(config, state, lookups);
  const closed = new RangeMatcher(closedInKernel(config, state.inputs, state.compiled.answerRanges));
  // Opened to some names only: who has such an address must have seen one of these resolve to it.
  const openable = new RangeMatcher(openableRanges(extraRanges(config, state.inputs)));
  const grants: InheritedGrant[] = [];
  const kept: DumpedGrant[] = [];
  const ended: DumpedGrant[] = [];
  for (const grant of former.grants) {
    const address = formatAddress(grant.pod);
    const id = pods.get(address)?.pod.id;
    const classIndex = state.compiled.classes.findIndex((each) => each.id === grant.classId);
    // A lifetime without an end is not ours (V1).
    const isOurs = id !== undefined && isSamePod(address) && classIndex >= 0 && Number.isFinite(grant.leftMs);
    const isJudgedAlike = isOurs && unchanged.has(id) && !openable.includes(grant.destination, 0);
    const hasReason = isOurs && (isJudgedAlike || earned.has(keyOf(id, classIndex, grant.destination)));
    if (!hasReason || closed.includes(grant.destination, 0)) ended.push(grant);
    else {
      kept.push(grant);
      grants.push({ pod: id, classIndex, address: grant.destination, leftMs: grant.leftMs });
    }
  }
  const changed = state.registry.pods.flatMap(({ id }) => (unchanged.has(id) ? [] : [id]));
  return { inheritance: { grants, lookups, changed }, kept, ended, judged, strangers };
}

/** What the lookups would be granted now, as keys; those that have ended say only what was seen. */
function earnings(config: Config, { inputs, registry, compiled }: State, lookups: readonly KeptLookup[]): Set<string> {
  const programs = new Map<number, number>(registry.pods.map(({ id }, i) => [id, compiled.programOfPod[i] ?? -1]));
  const openable = new RangeMatcher(openableRanges(extraRanges(config, inputs)));
  const live = lookups.filter(({ leftMs }) => leftMs > 0);
  const keys = live.flatMap(({ pod, name, addresses }) => {
    const labels = labelsOf(name);
    const rules = (compiled.programs[programs.get(pod) ?? -1]?.names ?? []).filter((rule) => ruleMatches(rule, labels));
    const zones = config.internalZones.filter(({ zone }) => isInZone(labels, zone)).flatMap(({ ranges }) => ranges);
    return addressesIn(addresses).flatMap((address) => {
      const isOpen = !openable.includes(address, 0) || isIn(zones, address);
      const granting = isOpen ? rules : rules.filter(({ answerRanges = [] }) => isIn(answerRanges, address));
      return granting.flatMap(({ classes }) => classes.map((classIndex) => keyOf(pod, classIndex, address)));
    });
  });
  return new Set(keys);
}

function isInZone(labels: readonly string[], zone: string): boolean {
  const wanted = zone.split('.');
  const start = labels.length - wanted.length;
  return start >= 0 && wanted.every((label, i) => label === labels[start + i]);
}

function isIn(cidrs: readonly string[], address: Uint8Array): boolean {
  return new RangeMatcher(cidrs.map((cidr) => ({ cidr, reason: 'opened' }))).includes(address, 0);
}

function addressesIn(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / ADDRESS_BYTES }, (_, i) =>
    bytes.subarray(i * ADDRESS_BYTES, (i + 1) * ADDRESS_BYTES),
  );
}

/** Of a wire name without compression: one character for each byte, as policy/match.ts wants it. */
function labelsOf(name: Uint8Array): string[] {
  const labels: string[] = [];
  for (let at = 0; (name[at] ?? 0) > 0; at += (name[at] ?? 0) + 1) {
    labels.push(Buffer.from(name.subarray(at + 1, at + 1 + (name[at] ?? 0))).toString('latin1'));
  }
  return labels;
}

function keyOf(pod: number, classIndex: number, address: Uint8Array): string {
  return `${pod} ${classIndex} ${formatAddress(address)}`;
}
