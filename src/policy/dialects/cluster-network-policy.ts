// policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy, egress side: a document → a Policy with a place in the order of tiers and priorities.
// The fields and their meaning are described in policies/README.md.
import type { Problem } from '../../base/errors.ts';
import type { EgressRule, Policy } from '../policy.ts';
import { readAnswerRanges } from './answer-ranges.ts';
import { readSubject } from './cluster-network-policy/pods.ts';
import { readEgressRule } from './cluster-network-policy/rules.ts';
import { checkLength, readNumber, readWord } from './cluster-network-policy/values.ts';
import type { Entry, MapNode } from './document.ts';
import type { FieldReader } from './fields.ts';
import { ALLOW_ANSWER_RANGES, readMetadata } from './metadata.ts';

export const CLUSTER_POLICY_API_VERSION = 'policy.networking.k8s.io/v1alpha2';
export const CLUSTER_POLICY_KIND = 'ClusterNetworkPolicy';

/** Kinds of v1alpha1, which this one replaces, with the tier that each of them was. */
const REPLACED = new Map([
  ['AdminNetworkPolicy', 'Admin'],
  ['BaselineAdminNetworkPolicy', 'Baseline'],
]);

const DOCUMENT_FIELDS = {
  what: `a ${CLUSTER_POLICY_KIND}`,
  known: ['apiVersion', 'kind', 'metadata', 'spec', 'status'],
};
const SPEC_FIELDS = { what: 'the spec', known: ['tier', 'priority', 'subject', 'ingress', 'egress'] };
const TIERS = ['Admin', 'Baseline'] as const;
const PRIORITY = { field: 'priority', least: 0, most: 1000 };

/** What to write instead of a kind that this one replaced; undefined for other kinds. */
export function replacementOf(kind: string): string | undefined {
  const tier = REPLACED.get(kind);
  if (tier === undefined) return undefined;
  return `${CLUSTER_POLICY_KIND} has replaced it; write kind: ${CLUSTER_POLICY_KIND}, apiVersion: ${CLUSTER_POLICY_API_VERSION}, with tier: ${tier}, action Accept for Allow, and protocols for ports`;
}

export function readClusterNetworkPolicy(document: MapNode, kind: string, reader: FieldReader): Policy | undefined {
  reader.map(document, DOCUMENT_FIELDS);
  const metadata = readMetadata(document, { kind, isClusterwide: true, annotations: [ALLOW_ANSWER_RANGES] }, reader);
  const opened = metadata?.annotations.get(ALLOW_ANSWER_RANGES);
  const answerRanges = opened && readAnswerRanges(opened.text, opened.place, reader);
  const entry = reader.required(document, 'spec', 'the policy', 'spec: {tier: Admin, priority: 100, …}');
  const spec = entry && reader.map(entry.value, SPEC_FIELDS);
  if (spec === undefined) return undefined;
  const tier = readTier(spec, reader);
  const subject = reader.required(spec, 'subject', SPEC_FIELDS.what, 'subject: {namespaces: {}} for every pod');
  const selector = subject && readSubject(subject.value, reader);
  const egress = readEgress(spec.entries.get('egress'), answerRanges, reader);
  const notes = readIngress(spec.entries.get('ingress'), reader);
  if (metadata?.name === undefined || tier === undefined || selector === undefined) return undefined;
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    at: document.place.at,
    tier,
    ...(metadata.isAudited ? { isAudited: true } : {}),
    // Without egress rules it says nothing about egress, so it selects nobody.
    rules: egress.length === 0 ? [] : [{ at: spec.place.at, selector, isolates: false, egress }],
    ...(notes.length === 0 ? {} : { notes }),
  };
}

function readTier(spec: MapNode, reader: FieldReader): Policy['tier'] {
  const tierEntry = reader.required(spec, 'tier', SPEC_FIELDS.what, 'tier: Admin or tier: Baseline');
  const tier = tierEntry && readWord(tierEntry.value, 'tier', TIERS, reader);
  const priorityEntry = reader.required(spec, 'priority', SPEC_FIELDS.what, 'priority: 100');
  const priority = priorityEntry && readNumber(priorityEntry.value, PRIORITY, reader);
  if (tier === undefined || priority === undefined) return undefined;
  return { name: tier === 'Admin' ? 'admin' : 'baseline', priority };
}

function readEgress(
  entry: Entry | undefined,
  answerRanges: readonly string[] | undefined,
  reader: FieldReader,
): readonly EgressRule[] {
  const list = entry && reader.list(entry.value, 'egress');
  if (list === undefined) return [];
  checkLength(list, 'egress', list.items, reader);
  return list.items.flatMap((item) => readEgressRule(item, answerRanges, reader));
}

/** Not judged, and so read no further than what could be rules at all. */
function readIngress(entry: Entry | undefined, reader: FieldReader): readonly Problem[] {
  const list = entry && reader.list(entry.value, 'ingress');
  if (entry === undefined || list === undefined || list.items.length === 0) return [];
  checkLength(list, 'ingress', list.items, reader);
  for (const { kind, place } of list.items) {
    if (kind !== 'map') reader.fail(place, 'wrong-type', 'Cannot use an ingress rule that is not a mapping');
  }
  const message = 'ingress is left to your CNI: namewall judges egress only';
  return [{ code: 'left-to-cni', at: entry.place.at, message }];
}
