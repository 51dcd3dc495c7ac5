// networking.k8s.io/v1 NetworkPolicy, egress side: a document → a Policy. The fields and their meaning are described in policies/README.md.
import type { Policy, PolicyRule, ReachRule } from '../policy.ts';
import type { Entry, MapNode, Node } from './document.ts';
import type { FieldReader } from './fields.ts';
import { readLabelSelector } from './kubernetes-selectors.ts';
import { readMetadata } from './metadata.ts';
import { readDirections } from './network-policy/directions.ts';
import { readPeer } from './network-policy/peers.ts';
import { readPorts } from './network-policy/ports.ts';

export const NETWORK_POLICY_API_VERSION = 'networking.k8s.io/v1';
export const NETWORK_POLICY_KIND = 'NetworkPolicy';

const DOCUMENT_FIELDS = { what: 'a NetworkPolicy', known: ['apiVersion', 'kind', 'metadata', 'spec', 'status'] };
const SPEC_FIELDS = {
  what: 'spec',
  known: ['podSelector', 'policyTypes', 'ingress', 'egress'],
  foreign: new Map([
    ['endpointSelector', 'write podSelector'],
    ['subject', 'write podSelector'],
    ['egressDeny', 'a NetworkPolicy denies nothing but what it does not list; write a CiliumNetworkPolicy'],
  ]),
};
const NO_NAMES = 'a NetworkPolicy has no names; write a CiliumNetworkPolicy with toFQDNs';
const EGRESS_FIELDS = {
  what: 'an egress rule',
  known: ['to', 'ports'],
  foreign: new Map([
    ['toFQDNs', NO_NAMES],
    ['domainNames', NO_NAMES],
    ['toPorts', 'write ports: [{port: 443}]'],
    ['toEndpoints', 'write to: [{podSelector: …}]'],
    ['toCIDR', 'write to: [{ipBlock: {cidr: …}}]'],
    ['toCIDRSet', 'write to: [{ipBlock: {cidr: …, except: […]}}]'],
    ['from', 'write to: from is for ingress'],
  ]),
};

export function readNetworkPolicy(document: MapNode, kind: string, reader: FieldReader): Policy | undefined {
  reader.map(document, DOCUMENT_FIELDS);
  const metadata = readMetadata(document, { kind, isClusterwide: false }, reader);
  const entry = reader.required(document, 'spec', 'the policy', 'spec: {podSelector: {}, policyTypes: [Egress]}');
  const spec = entry && reader.map(entry.value, SPEC_FIELDS);
  if (spec === undefined) return undefined;
  const { hasEgress, notes } = readDirections(spec, reader);
  const rule = readRule(spec, metadata?.namespace ?? '', reader);
  if (metadata?.name === undefined || rule === undefined) return undefined;
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    at: document.place.at,
    ...(metadata.isAudited ? { isAudited: true } : {}),
    rules: hasEgress ? [rule] : [],
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** Read also where it has no effect: what is wrong there was meant otherwise. */
function readRule(spec: MapNode, namespace: string, reader: FieldReader): PolicyRule | undefined {
  const entry = spec.entries.get('podSelector');
  const requirements = entry === undefined ? [] : readLabelSelector(entry.value, 'podSelector', 'label', reader);
  const egress = readEgress(spec.entries.get('egress'), namespace, reader);
  return requirements && { at: spec.place.at, selector: { namespace, requirements }, isolates: true, egress };
}

function readEgress(entry: Entry | undefined, namespace: string, reader: FieldReader): ReachRule[] {
  const list = entry && reader.list(entry.value, 'egress');
  return (list?.items ?? []).flatMap((item) => readItem(item, namespace, reader) ?? []);
}

function readItem(node: Node, namespace: string, reader: FieldReader): ReachRule | undefined {
  const map = reader.map(node, EGRESS_FIELDS);
  if (map === undefined) return undefined;
  const to = map.entries.get('to');
  const peers = to && reader.list(to.value, 'to');
  const { traffic, namedPorts } = readPorts(map.entries.get('ports'), reader);
  return {
    kind: 'reach',
    verdict: 'allow',
    // Absent and empty are the same: everybody.
    to:
      peers === undefined || peers.items.length === 0
        ? [{ kind: 'any' }]
        : peers.items.flatMap((item) => readPeer(item, namespace, reader) ?? []),
    traffic,
    ...(namedPorts.length === 0 ? {} : { namedPorts }),
    at: map.place.at,
  };
}
