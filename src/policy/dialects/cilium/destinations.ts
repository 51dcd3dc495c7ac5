// Whom an egress rule names by address: at most one kind of destination, as in Cilium.
import { assertNever } from '../../../base/errors.ts';
import type { Peer } from '../../policy.ts';
import type { Entry, MapNode, Node } from '../document.ts';
import type { FieldReader, FieldTable } from '../fields.ts';
import { readCidrs, readCidrSet } from './cidrs.ts';
import { readEndpoints } from './endpoints.ts';
import { readEntities } from './entities.ts';
import { readNodes } from './nodes.ts';
import type { Scope } from './scope.ts';
import { readServices } from './services.ts';

export const DESTINATION_FIELDS = [
  'toEndpoints',
  'toCIDR',
  'toCIDRSet',
  'toEntities',
  'toServices',
  'toNodes',
] as const;
type DestinationField = (typeof DESTINATION_FIELDS)[number];

const NAMES = 'toFQDNs';
const GROUPS = 'toGroups';

export interface Destinations {
  readonly to: readonly Peer[];
  /** They are the cluster's DNS and nobody else, which stands for the configured DNS servers. */
  readonly isClusterDns: boolean;
  /** Why a port cannot have a name; undefined: it can. */
  readonly whyNotNamed?: string | undefined;
}

/** Undefined: the rule names no destination. */
export function readDestinations(map: MapNode, scope: Scope, reader: FieldReader): Destinations | undefined {
  for (const field of DESTINATION_FIELDS) {
    const entry = map.entries.get(field);
    if (entry !== undefined) return readDestination(field, entry, scope, reader);
  }
  return undefined;
}

function readDestination(field: DestinationField, entry: Entry, scope: Scope, reader: FieldReader): Destinations {
  switch (field) {
    case 'toEndpoints':
      return readEndpoints(entry.value, scope, reader);
    case 'toServices':
      return readServices(entry.value, reader);
    case 'toCIDR':
      return { to: readCidrs(entry.value, reader), isClusterDns: false };
    case 'toCIDRSet':
      return { to: readCidrSet(entry.value, scope.groups, reader), isClusterDns: false };
    case 'toNodes':
      return { to: readNodes(entry, reader), isClusterDns: false, whyNotNamed: 'nodes have no container ports' };
    case 'toEntities': {
      const { to, withoutPods } = readEntities(entry.value, reader);
      const why = withoutPods === undefined ? undefined : `entity "${withoutPods}" has no container ports`;
      return { to, isClusterDns: false, whyNotNamed: why };
    }
    default:
      return assertNever(field);
  }
}

/** Undefined where what is wrong with its destinations makes everything else in it meaningless. */
export function readRuleFields(node: Node, fields: FieldTable, reader: FieldReader): MapNode | undefined {
  if (node.kind !== 'map') return reader.map(node, fields);
  const names: readonly string[] = [...DESTINATION_FIELDS, NAMES, GROUPS];
  const [first, ...others] = [...node.entries].filter(([key]) => names.includes(key));
  if (first === undefined || others.length === 0) {
    const map = reader.map(node, fields);
    return first === undefined || fields.known.includes(first[0]) ? map : undefined;
  }
  // What is combined has its message; that each of them is refused as well would only confuse.
  reader.map(node, { ...fields, known: [...fields.known, ...names] });
  for (const [key, { place }] of others) {
    const message = `combining ${capital(first[0])} and ${capital(key)} is not supported yet; write two rules`;
    reader.fail(place, 'bad-rule', message); // in Cilium's words
  }
  return undefined;
}

function capital(field: string): string {
  return `T${field.slice(1)}`;
}
