// Peers of an egress rule: whom `to` means. Addresses are meant as such, whoever has them.
import { compileDomainName } from '../../names.ts';
import type { NameSelector, Peer } from '../../policy.ts';
import { readCidr } from '../cilium/cidrs.ts';
import type { Entry, Node, Place } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readLabelSelector } from '../kubernetes-selectors.ts';
import { readNamespaces, readPods } from './pods.ts';
import { readItems, readOneOf, withoutRepeats } from './values.ts';

export interface Peers {
  readonly addressed: readonly Peer[];
  readonly names: readonly NameSelector[];
  /** Where domainNames are written. */
  readonly namesAt: readonly Place[];
  /** One of them has no named ports, being no pods. */
  readonly areBeyondPods: boolean;
}

const PEER_FIELDS = {
  what: 'a peer',
  known: ['namespaces', 'pods', 'nodes', 'networks', 'domainNames'],
  foreign: new Map([
    ['ipBlock', 'write networks: [192.0.2.0/24]'],
    ['toCIDR', 'write networks: [192.0.2.0/24]'],
    ['podSelector', 'write pods: {podSelector: …}'],
    ['namespaceSelector', 'write namespaces, with the same selector'],
    ['toFQDNs', 'write domainNames: [example.org]'],
  ]),
};
const NOBODY = 'it selects nobody; list at least one, or remove the peer';

export function readPeers(node: Node, reader: FieldReader): Peers {
  const addressed: Peer[] = [];
  const names: NameSelector[] = [];
  const namesAt: Place[] = [];
  let areBeyondPods = false;
  for (const item of readItems(node, 'to', 'it selects nobody; list at least one peer, or remove the rule', reader)) {
    const one = readOneOf(item, PEER_FIELDS, reader);
    if (one === undefined) continue;
    areBeyondPods ||= !['namespaces', 'pods'].includes(one.field);
    if (one.field === 'domainNames') {
      namesAt.push(one.entry.place);
      names.push(...readNames(one.entry.value, reader));
    } else {
      addressed.push(...readAddressed(one.field, one.entry, reader));
    }
  }
  return { addressed, names, namesAt, areBeyondPods };
}

function readAddressed(field: string, entry: Entry, reader: FieldReader): readonly Peer[] {
  if (field === 'networks') return readNetworks(entry.value, reader);
  if (field === 'nodes') {
    const requirements = readLabelSelector(entry.value, 'nodes', 'label', reader);
    return requirements === undefined ? [] : [{ kind: 'nodes', requirements }];
  }
  const selector = field === 'pods' ? readPods(entry, reader) : readNamespaces(entry, reader);
  return selector === undefined ? [] : [{ kind: 'pods', selector }];
}

function readNetworks(node: Node, reader: FieldReader): readonly Peer[] {
  const items = withoutRepeats(readItems(node, 'networks', NOBODY, reader), 'networks', reader);
  return items.flatMap((item) => {
    const cidr = readCidr(item, 'networks', reader);
    return cidr === undefined ? [] : [{ kind: 'cidr', cidr: cidr.text, except: [] }];
  });
}

function readNames(node: Node, reader: FieldReader): readonly NameSelector[] {
  const items = withoutRepeats(readItems(node, 'domainNames', NOBODY, reader), 'domainNames', reader);
  return items.flatMap((item): NameSelector[] => {
    const text = reader.text(item, 'a domain name');
    if (text === undefined) return [];
    const compiled = compileDomainName(text);
    if (compiled.ok) return [{ match: 'domain', text, at: item.place.at }];
    return reader.fail(item.place, 'bad-name', compiled.message) ?? [];
  });
}
