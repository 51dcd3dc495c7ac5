// cilium.io/v2 CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, egress side: a document → a Policy. The fields and their
// meaning are described in policies/README.md.
import type { Policy, PolicyRule } from '../policy.ts';
import { readAnswerRanges } from './answer-ranges.ts';
import type { CidrGroups } from './cilium/cidr-groups.ts';
import { readRule } from './cilium/rule.ts';
import type { Scope } from './cilium/scope.ts';
import type { MapNode } from './document.ts';
import type { FieldReader } from './fields.ts';
import { ALLOW_ANSWER_RANGES, readMetadata } from './metadata.ts';

export const CILIUM_API_VERSION = 'cilium.io/v2';
const CLUSTERWIDE = 'CiliumClusterwideNetworkPolicy';
export const CILIUM_KINDS: readonly string[] = ['CiliumNetworkPolicy', CLUSTERWIDE];

const FIELDS = { known: ['apiVersion', 'kind', 'metadata', 'spec', 'specs', 'status'] };

/** `groups`: what toCIDRSet may name; left out, it may name none. */
export function readCiliumPolicy(
  document: MapNode,
  kind: string,
  reader: FieldReader,
  groups?: CidrGroups,
): Policy | undefined {
  const isClusterwide = kind === CLUSTERWIDE;
  reader.map(document, { what: `a ${kind}`, ...FIELDS });
  const metadata = readMetadata(document, { kind, isClusterwide, annotations: [ALLOW_ANSWER_RANGES] }, reader);
  const written = metadata?.annotations.get(ALLOW_ANSWER_RANGES);
  const answerRanges = written && readAnswerRanges(written.text, written.place, reader);
  const namespace = isClusterwide ? undefined : (metadata?.namespace ?? 'default');
  const rules = readSpecs(document, { namespace, groups }, reader);
  const notes = reader.takeNotes();
  if (metadata?.name === undefined) return undefined;
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    at: document.place.at,
    ...(metadata.isAudited ? { isAudited: true } : {}),
    rules: answerRanges === undefined ? rules : rules.map((rule) => opening(rule, answerRanges)),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** An annotation is about every name of its policy. */
function opening(rule: PolicyRule, answerRanges: readonly string[]): PolicyRule {
  const egress = rule.egress.map((each) => (each.kind === 'connect' ? { ...each, answerRanges } : each));
  return { ...rule, egress };
}

function readSpecs(document: MapNode, scope: Scope, reader: FieldReader): PolicyRule[] {
  const spec = document.entries.get('spec');
  const specs = document.entries.get('specs');
  if (spec === undefined && specs === undefined) {
    reader.fail(document.place, 'missing-field', 'spec or specs must be provided');
  }
  const instead = 'it would leave the policy without effect; list at least one rule';
  const nodes = [
    ...(spec === undefined ? [] : [spec.value]),
    ...(specs === undefined ? [] : (reader.fullList(specs.value, 'specs', instead) ?? [])),
  ];
  return nodes.flatMap((node) => readRule(node, scope, reader) ?? []);
}
