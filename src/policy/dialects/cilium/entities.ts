// toEntities: the names that Cilium gives to kinds of destinations. Those that stand for addresses nobody here knows are refused: an allow
// would open too little without a word, a denial would deny too little.
import { quote } from '../../name-syntax.ts';
import type { Peer } from '../../policy.ts';
import type { Node } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

const WORLD4: Peer = { kind: 'cidr', cidr: '0.0.0.0/0', except: [], isOutside: true };
const WORLD6: Peer = { kind: 'cidr', cidr: '::/0', except: [], isOutside: true };

const ENTITIES = new Map<string, readonly Peer[]>([
  ['all', [{ kind: 'any' }]],
  ['world', [WORLD4, WORLD6]],
  ['world-ipv4', [WORLD4]],
  ['world-ipv6', [WORLD6]],
  ['host', [{ kind: 'host' }]],
  ['none', []],
]);

const NODES = 'the addresses of other nodes are not known; write toCIDR with their ranges';
const NO_NOTION = 'it stands for a notion of Cilium itself; remove it';
const REFUSED = new Map([
  ['cluster', 'the addresses of all nodes and pods are not known; write toCIDR with their ranges'],
  ['cluster-mesh', 'the addresses of other clusters are not known; write toCIDR with their ranges'],
  ['remote-node', NODES],
  ['kube-apiserver', 'its addresses are not known; write toCIDR with them'],
  ['health', NO_NOTION],
  ['ingress', NO_NOTION],
  ['init', NO_NOTION],
  ['unmanaged', NO_NOTION],
]);

export function readEntities(node: Node, reader: FieldReader): Peer[] {
  const instead = 'it selects nothing; list at least one, or remove the rule';
  const items = reader.fullList(node, 'toEntities', instead) ?? [];
  return items.flatMap((item) => readEntity(item, reader) ?? []);
}

function readEntity(node: Node, reader: FieldReader): readonly Peer[] | undefined {
  const text = reader.text(node, 'toEntities');
  if (text === undefined) return undefined;
  const peers = ENTITIES.get(text);
  if (peers !== undefined) return peers;
  const why = REFUSED.get(text);
  if (why !== undefined) return reader.fail(node.place, 'not-supported', `Cannot enforce entity "${text}": ${why}`);
  const near = nearest(text, [...ENTITIES.keys(), ...REFUSED.keys()]);
  const hint = near === undefined ? `write one of ${[...ENTITIES.keys()].join(', ')}` : `did you mean "${near}"?`;
  return reader.fail(node.place, 'bad-entity', `Cannot use entity ${quote(text)}: it is unknown; ${hint}`);
}
