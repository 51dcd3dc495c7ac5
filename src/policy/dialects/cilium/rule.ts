// One spec of a policy: whom it selects, whether that takes them their open egress, and what they may do all the same. Ingress is not
// judged: it is left to whoever judges it, and said.
import type { EgressRule, PolicyRule } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readDetails } from './details.ts';
import { readEgress, readEgressDeny } from './egress.ts';
import type { Scope } from './scope.ts';
import { readEndpointSelector } from './selectors.ts';

const INGRESS = ['ingress', 'ingressDeny'] as const;
const RULE_FIELDS = {
  what: 'a spec',
  known: [
    'endpointSelector',
    'egress',
    'egressDeny',
    'enableDefaultDeny',
    'description',
    'labels',
    ...INGRESS,
    'log',
    'nodeSelector',
  ],
  foreign: new Map([
    ['podSelector', 'write endpointSelector'],
    ['subject', 'write endpointSelector'],
    ['policyTypes', 'remove it: what is listed says it'],
  ]),
};

/** Undefined: it says nothing of egress, or is refused. */
export function readRule(node: Node, scope: Scope, reader: FieldReader): PolicyRule | undefined {
  const map = reader.map(node, RULE_FIELDS);
  if (map === undefined) return undefined;
  const details = readDetails(map, reader);
  const written = readDefaultDeny(map.entries.get('enableDefaultDeny'), reader);
  const selector = readSelector(map, scope, reader);
  const hasIngress = INGRESS.map((field) => isJudgedElsewhere(map.entries.get(field), field, reader)).includes(true);
  const egress = readLists(map, scope, reader);
  const isMisspelt = [...INGRESS, 'egress', 'egressDeny'].some((field) => reader.isMisspelt(map, field));
  if (!hasIngress && egress.isEmpty && !isMisspelt) {
    const message =
      'rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny; write "egress: [{}]" to deny everything';
    return reader.fail(map.place, 'missing-field', message);
  }
  const isolates = written ?? !egress.isEmpty;
  if (selector === undefined || (egress.isEmpty && !isolates)) return undefined;
  return { at: map.place.at, selector, isolates, egress: egress.rules, ...details };
}

function readSelector(map: MapNode, { namespace }: Scope, reader: FieldReader) {
  const entry = map.entries.get('endpointSelector');
  const nodes = map.entries.get('nodeSelector');
  if (nodes !== undefined) refuseNodes(nodes, entry !== undefined, namespace === undefined, reader);
  if (entry !== undefined) return readEndpointSelector(entry.value, namespace, reader);
  if (nodes !== undefined || reader.isMisspelt(map, 'endpointSelector')) return undefined;
  const message =
    'rule must have one of EndpointSelector or NodeSelector; write endpointSelector: {} for every pod of the namespace';
  return reader.fail(map.place, 'missing-field', message);
}

/** In Cilium's words what Cilium refuses, too. */
function refuseNodes({ place }: Entry, hasPods: boolean, isClusterwide: boolean, reader: FieldReader): void {
  if (!isClusterwide) {
    const message = 'Invalid CiliumNetworkPolicy spec: rule cannot have NodeSelector; write endpointSelector, for pods';
    reader.fail(place, 'bad-rule', message);
    return;
  }
  if (hasPods) {
    reader.fail(place, 'bad-rule', 'rule cannot have both EndpointSelector and NodeSelector; write two rules');
    return;
  }
  const message =
    "Cannot enforce nodeSelector: the host's own traffic is not judged; leave the rule to Cilium and remove it here";
  reader.fail(place, 'not-supported', message);
}

/** Whether there are rules: nothing in them is read. */
function isJudgedElsewhere(entry: Entry | undefined, field: string, reader: FieldReader): boolean {
  if (entry === undefined) return false;
  const list = reader.list(entry.value, field);
  if (list === undefined) return true; // it has its message
  if (list.items.length === 0) return false;
  for (const item of list.items) {
    if (item.kind === 'map') continue;
    reader.fail(item.place, 'wrong-type', `Cannot read an item of ${field}: it must be a mapping`);
  }
  reader.note(entry.place, 'left-to-cni', `${field} is left to your CNI: namewall judges egress only`);
  return true;
}

/** What is allowed and what is denied. `isEmpty`: neither list is there with an item. */
function readLists(
  map: MapNode,
  scope: Scope,
  reader: FieldReader,
): { readonly isEmpty: boolean; readonly rules: readonly EgressRule[] } {
  const allowed = itemsOf(map, 'egress', reader);
  const denied = itemsOf(map, 'egressDeny', reader);
  const rules = [
    ...(allowed ?? []).flatMap((item) => readEgress(item, scope, reader)),
    ...(denied ?? []).flatMap((item) => readEgressDeny(item, scope, reader)),
  ];
  return { isEmpty: allowed?.length === 0 && denied?.length === 0, rules };
}

/** Undefined: it is no list, or an empty one, which has its message. */
function itemsOf(map: MapNode, field: string, reader: FieldReader): readonly Node[] | undefined {
  const entry = map.entries.get(field);
  if (entry === undefined) return [];
  const items = reader.list(entry.value, field)?.items;
  if (items?.length !== 0) return items;
  // Cilium takes it for no list at all: a template that renders to nothing would open what it was to restrict.
  const instead = field === 'egress' ? 'write "egress: [{}]" to deny everything' : 'list what is denied';
  const message = `Cannot use an empty list for ${field}: it would restrict nothing; ${instead}, or remove it`;
  return reader.fail(entry.value.place, 'empty-list', message);
}

/** What is said of egress; undefined: nothing. */
function readDefaultDeny(entry: Entry | undefined, reader: FieldReader): boolean | undefined {
  const map = entry && reader.map(entry.value, { what: 'enableDefaultDeny', known: ['egress', 'ingress'] });
  const ingress = map?.entries.get('ingress');
  if (ingress !== undefined) reader.flag(ingress.value, 'enableDefaultDeny.ingress');
  const egress = map?.entries.get('egress');
  return egress && reader.flag(egress.value, 'enableDefaultDeny.egress');
}
