// An item of `to`: pods by their labels and those of their namespaces, or a block of addresses. Which addresses pods have is not known here.
import { isWithin, type Interval } from '../../cidr.ts';
import { quote } from '../../name-syntax.ts';
import type { Peer } from '../../policy.ts';
import { readCidr } from '../cilium/cidrs.ts';
import type { Entry, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readLabelSelector } from '../kubernetes-selectors.ts';

const PEER_FIELDS = { what: 'an item of to', known: ['podSelector', 'namespaceSelector', 'ipBlock'] };
const BLOCK_FIELDS = { what: 'ipBlock', known: ['cidr', 'except'] };

/** `namespace` is the policy's own. Undefined: refused. */
export function readPeer(node: Node, namespace: string, reader: FieldReader): Peer | undefined {
  const map = reader.map(node, PEER_FIELDS);
  if (map === undefined) return undefined;
  const pods = map.entries.get('podSelector');
  const namespaces = map.entries.get('namespaceSelector');
  const block = map.entries.get('ipBlock');
  if (block !== undefined) {
    if (pods === undefined && namespaces === undefined) return readBlock(block.value, reader);
    return reader.fail(block.place, 'bad-rule', 'may not specify both ipBlock and another peer; write two items of to');
  }
  if (pods !== undefined || namespaces !== undefined) return readPods(pods, namespaces, namespace, reader);
  if (map.entries.size > 0) return undefined; // unknown fields alone, and they are refused
  const message =
    'Cannot use an empty item of to: must specify a peer; write podSelector, namespaceSelector ({} is every pod) or ipBlock';
  return reader.fail(map.place, 'bad-rule', message);
}

/** Both must hold. Without namespaceSelector only the policy's own namespace is meant. */
function readPods(
  pods: Entry | undefined,
  namespaces: Entry | undefined,
  namespace: string,
  reader: FieldReader,
): Peer | undefined {
  const ofPod = pods === undefined ? [] : readLabelSelector(pods.value, 'podSelector', 'label', reader);
  const ofNamespace =
    namespaces === undefined ? [] : readLabelSelector(namespaces.value, 'namespaceSelector', 'namespace-label', reader);
  if (ofPod === undefined || ofNamespace === undefined) return undefined;
  const requirements = [...ofNamespace, ...ofPod];
  return { kind: 'pods', selector: namespaces === undefined ? { namespace, requirements } : { requirements } };
}

function readBlock(node: Node, reader: FieldReader): Peer | undefined {
  const map = reader.map(node, BLOCK_FIELDS);
  if (map === undefined) return undefined;
  const entry = reader.required(map, 'cidr', 'ipBlock', 'cidr: 192.0.2.0/24');
  const cidr = entry && readCidr(entry.value, 'cidr', reader);
  const exceptEntry = map.entries.get('except');
  const list = exceptEntry && reader.list(exceptEntry.value, 'except');
  const except = (list?.items ?? []).flatMap((item) => {
    const read = readCidr(item, 'except', reader);
    if (read === undefined || cidr === undefined) return [];
    if (isStrictlyWithin(read.range, cidr.range)) return [read.text];
    const message = `Cannot except ${quote(read.text)}: must be a strict subset of cidr, which is ${quote(cidr.text)}; write one inside, or remove it`;
    return reader.fail(item.place, 'bad-cidr', message) ?? [];
  });
  return cidr && { kind: 'cidr', cidr: cidr.text, except };
}

function isStrictlyWithin(inner: Interval, outer: Interval): boolean {
  return isWithin(inner, outer) && !isWithin(outer, inner);
}
