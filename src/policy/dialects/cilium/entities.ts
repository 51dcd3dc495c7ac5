// toEntities: the names that Cilium gives to kinds of destinations. Those that stand for addresses nobody here knows are refused: an allow
// would open too little without a word, a denial would deny too little.
import type { Peer } from '../../policy.ts';
import type { Node } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

const WORLD4: Peer = { kind: 'cidr', cidr: '0.0.0.0/0', except: [], isOutside: true };
const WORLD6: Peer = { kind: 'cidr', cidr: '::/0', except: [], isOutside: true };
const HOST: Peer = { kind: 'host' };
const EVERY_POD: Peer = { kind: 'pods', selector: { requirements: [] } };

const ENTITIES = new Map<string, readonly Peer[]>([
  ['all', [{ kind: 'any' }]],
  ['world', [WORLD4, WORLD6]],
  ['world-ipv4', [WORLD4]],
  ['world-ipv6', [WORLD6]],
  ['cluster', [EVERY_POD, { kind: 'nodes', requirements: [] }, HOST]],
  ['host', [HOST]],
  ['remote-node', [{ kind: 'nodes', requirements: [], isRemote: true }]],
  ['none', []],
]);
/** Pods are among them, and only pods have ports with names. */
const WITH_PODS = ['all', 'cluster'];

/** In a cluster an agent knows the pods of its own node. */
const NOT_IN_CLUSTER = new Map([
  ['cluster', 'the addresses of all nodes and pods are not known; write toCIDR with their ranges'],
  ['remote-node', 'the addresses of other nodes are not known; write toCIDR with their ranges'],
]);
const NO_NOTION = 'it stands for a notion of Cilium itself; remove it';
const REFUSED = new Map([
  ['cluster-mesh', 'the addresses of other clusters are not known; write toCIDR with their ranges'],
  ['kube-apiserver', 'its addresses are not known; write toCIDR with them'],
  ['health', NO_NOTION],
  ['ingress', NO_NOTION],
  ['init', NO_NOTION],
  ['unmanaged', NO_NOTION],
]);

export interface ReadEntities {
  readonly to: readonly Peer[];
  /** One that has no container ports. */
  readonly withoutPods: string | undefined;
}

export function readEntities(node: Node, reader: FieldReader): ReadEntities {
  const instead = 'it selects nothing; list at least one, or remove the rule';
  const items = reader.fullList(node, 'toEntities', instead) ?? [];
  const names = items.flatMap((item) => readEntity(item, reader) ?? []);
  return {
    to: names.flatMap((name) => ENTITIES.get(name) ?? []),
    withoutPods: names.find((name) => !WITH_PODS.includes(name)),
  };
}

function readEntity(node: Node, reader: FieldReader): string | undefined {
  const text = reader.text(node, 'toEntities');
  if (text === undefined) return undefined;
  const why = REFUSED.get(text) ?? (reader.knowsAllPods ? undefined : NOT_IN_CLUSTER.get(text));
  if (why !== undefined) return reader.fail(node.place, 'not-supported', `Cannot enforce entity "${text}": ${why}`);
  if (ENTITIES.has(text)) return text;
  const near = nearest(text, [...ENTITIES.keys(), ...REFUSED.keys()]);
  const hint = near === undefined ? `write one of ${[...ENTITIES.keys()].join(', ')}` : `did you mean "${near}"?`;
  return reader.fail(node.place, 'bad-entity', `unsupported entity: ${JSON.stringify(text)}; ${hint}`);
}
