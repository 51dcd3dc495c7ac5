// cilium.io/v2 CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, egress side: a document → a Policy. The fields and their
// meaning are described in policies/README.md.
import type { EgressRule, Policy, PolicyRule } from '../policy.ts';
import type { Entry, MapNode, Node, Place } from './document.ts';
import type { FieldReader } from './fields.ts';
import { isDnsLabel, isDnsSubdomain } from './kubernetes-names.ts';
import { readAnnotations } from './cilium/annotations.ts';
import { readEgress, readEgressDeny } from './cilium/egress.ts';
import { readEndpointSelector } from './cilium/selectors.ts';

export const CILIUM_API_VERSION = 'cilium.io/v2';
const CLUSTERWIDE = 'CiliumClusterwideNetworkPolicy';
export const CILIUM_KINDS: readonly string[] = ['CiliumNetworkPolicy', CLUSTERWIDE];

/** Written by the API server and by kubectl; they restrict nothing. */
const SERVER_FIELDS = [
  'creationTimestamp',
  'finalizers',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
];
const MORE_SERVER_FIELDS = ['selfLink', 'uid'];

const DOCUMENT_FIELDS = { known: ['apiVersion', 'kind', 'metadata', 'spec', 'specs', 'status'] };
const METADATA_FIELDS = {
  what: 'metadata',
  known: ['name', 'namespace', 'labels', 'annotations', ...SERVER_FIELDS, ...MORE_SERVER_FIELDS],
};
const CNI_INSTEAD = 'namewall judges egress only; write it as a NetworkPolicy for your CNI and remove it here';
const RULE_FIELDS = {
  known: ['endpointSelector', 'egress', 'egressDeny', 'enableDefaultDeny', 'description', 'labels'],
  refused: new Map([
    ['nodeSelector', "remove the rule; the host's own traffic is not judged"],
    ['ingress', CNI_INSTEAD],
    ['ingressDeny', CNI_INSTEAD],
    ['log', 'remove it; the audit names the policy and the line'],
  ]),
};

export function readCiliumPolicy(document: MapNode, kind: string, reader: FieldReader): Policy | undefined {
  reader.map(document, { what: `a ${kind}`, ...DOCUMENT_FIELDS });
  const isClusterwide = kind === CLUSTERWIDE;
  const metadata = readMetadata(document, isClusterwide, reader);
  const namespace = metadata?.namespace ?? 'default';
  const rules = readSpecs(document, isClusterwide ? undefined : namespace, reader);
  if (metadata?.name === undefined) return undefined;
  const { name, answerRanges } = metadata;
  return {
    kind,
    namespace: isClusterwide ? '' : namespace,
    name,
    at: document.place.at,
    rules: answerRanges === undefined ? rules : rules.map((rule) => opening(rule, answerRanges)),
  };
}

/** An annotation is about every name of its policy. */
function opening(rule: PolicyRule, answerRanges: readonly string[]): PolicyRule {
  const egress = rule.egress.map((each) => (each.kind === 'connect' ? { ...each, answerRanges } : each));
  return { ...rule, egress };
}

function readMetadata(document: MapNode, isClusterwide: boolean, reader: FieldReader) {
  const entry = reader.required(document, 'metadata', 'the policy', 'metadata: {name: my-policy}');
  const map = entry && reader.map(entry.value, METADATA_FIELDS);
  if (map === undefined) return undefined;
  const labels = map.entries.get('labels');
  if (labels !== undefined) reader.texts(labels.value, 'label');
  const answerRanges = readAnnotations(map.entries.get('annotations'), reader);
  return { namespace: readNamespace(map, isClusterwide, reader), name: readName(map, reader), answerRanges };
}

function readName(metadata: MapNode, reader: FieldReader): string | undefined {
  const entry = reader.required(metadata, 'name', 'metadata', 'name: my-policy');
  const name = entry && reader.text(entry.value, 'metadata.name');
  if (entry === undefined || name === undefined || isDnsSubdomain(name)) return name;
  const rule = 'lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit';
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(name)} as a policy's name: ${rule}`);
}

function readNamespace(metadata: MapNode, isClusterwide: boolean, reader: FieldReader): string | undefined {
  const entry = metadata.entries.get('namespace');
  if (entry === undefined) return undefined;
  if (isClusterwide) {
    return reader.fail(entry.place, 'bad-value', `Remove "namespace": a ${CLUSTERWIDE} belongs to none`);
  }
  const namespace = reader.text(entry.value, 'metadata.namespace');
  if (namespace === undefined || isDnsLabel(namespace)) return namespace;
  const rule = 'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit';
  return reader.fail(entry.value.place, 'bad-value', `Cannot use ${JSON.stringify(namespace)} as a namespace: ${rule}`);
}

function readSpecs(document: MapNode, namespace: string | undefined, reader: FieldReader): PolicyRule[] {
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
  return nodes.flatMap((node) => readRule(node, namespace, reader) ?? []);
}

function readRule(node: Node, namespace: string | undefined, reader: FieldReader): PolicyRule | undefined {
  const map = reader.map(node, { what: 'a spec', ...RULE_FIELDS });
  if (map === undefined) return undefined;
  const description = map.entries.get('description');
  if (description !== undefined) reader.text(description.value, 'description');
  readDefaultDeny(map.entries.get('enableDefaultDeny'), reader);
  const selector = readSelector(map, namespace, reader);
  const egress = readEgressLists(map, namespace, reader);
  return selector && egress && { at: map.place.at, selector, isolates: true, egress };
}

function readSelector(map: MapNode, namespace: string | undefined, reader: FieldReader) {
  const entry = map.entries.get('endpointSelector');
  if (entry !== undefined) return readEndpointSelector(entry.value, namespace, reader);
  if (map.entries.has('nodeSelector')) return undefined;
  const message = 'rule must have an EndpointSelector; write endpointSelector: {} for every pod of the namespace';
  return reader.fail(map.place, 'missing-field', message);
}

/** What is allowed and what is denied; either makes the rest denied. */
function readEgressLists(map: MapNode, namespace: string | undefined, reader: FieldReader): EgressRule[] | undefined {
  const egress = map.entries.get('egress');
  const egressDeny = map.entries.get('egressDeny');
  if (egress === undefined && egressDeny === undefined) return failWithoutEgress(map.place, reader);
  const nothing = 'it would restrict nothing; write "egress: [{}]" to deny everything';
  const allowed = egress && reader.fullList(egress.value, 'egress', nothing);
  const denied = egressDeny && reader.fullList(egressDeny.value, 'egressDeny', 'it denies nothing; remove it');
  return [
    ...(allowed ?? []).flatMap((item) => readEgress(item, namespace, reader)),
    ...(denied ?? []).flatMap((item) => readEgressDeny(item, namespace, reader)),
  ];
}

function failWithoutEgress(place: Place, reader: FieldReader): undefined {
  const message = 'rule must have at least one of Egress, EgressDeny; write "egress: [{}]" to deny everything';
  return reader.fail(place, 'missing-field', message);
}

function readDefaultDeny(entry: Entry | undefined, reader: FieldReader): void {
  const map = entry && reader.map(entry.value, { what: 'enableDefaultDeny', known: ['egress', 'ingress'] });
  const ingress = map?.entries.get('ingress');
  if (ingress !== undefined) reader.flag(ingress.value, 'enableDefaultDeny.ingress');
  const egress = map?.entries.get('egress');
  if (egress === undefined || reader.flag(egress.value, 'enableDefaultDeny.egress') !== false) return;
  const message =
    'Cannot enforce enableDefaultDeny.egress: false: not supported yet; a policy that is loaded here denies what it does not allow';
  reader.fail(egress.place, 'not-supported', message);
}
