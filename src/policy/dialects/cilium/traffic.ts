// What of the packets to a destination a rule takes: toPorts without rules, icmps, or neither, which is everything.
import type { PortRange, Traffic } from '../../compiled.ts';
import type { NamedPort } from '../../policy.ts';
import { LAST_PORT } from '../../ports.ts';
import type { MapNode, Node } from '../document.ts';
import type { FieldReader, FieldTable } from '../fields.ts';
import { readIcmps } from './icmps.ts';
import { readPorts, type PortItem } from './ports.ts';

const INSIDE = 'remove it; namewall never reads inside connections';
const TO_PORTS_FIELDS: FieldTable = {
  what: 'an item of toPorts',
  known: ['ports', 'rules'],
  refused: new Map([
    ['serverNames', 'remove the item; without the check of server names it would open more than it says'],
    ['terminatingTLS', INSIDE],
    ['originatingTLS', INSIDE],
    ['listener', 'remove the item; there is no Envoy'],
  ]),
  foreign: new Map(['port', 'endPort', 'protocol'].map((field) => [field, `write it in an item of ports`])),
};
const NAMES_IN_CLUSTER = 'the ports of pods on other nodes are not known';

/** What a rule's destinations do not go with. */
export interface Limits {
  /** What to do about `rules` in toPorts, which restrict names or contents. */
  readonly rulesInstead: string;
  /** Why a port cannot have a name; undefined: it can. */
  readonly whyNotNamed?: string | undefined;
}

export interface RuleTraffic {
  readonly traffic: Traffic;
  /** Absent: none. */
  readonly namedPorts?: readonly NamedPort[];
}

export function readTraffic(map: MapNode, limits: Limits, reader: FieldReader): RuleTraffic | undefined {
  const toPorts = map.entries.get('toPorts');
  const icmps = map.entries.get('icmps');
  if (toPorts !== undefined && icmps !== undefined) {
    const message = 'the ICMPs block may only be present without ToPorts; write two rules';
    return reader.fail(icmps.place, 'bad-rule', message);
  }
  if (icmps !== undefined) return { traffic: { ports: [], icmp: readIcmps(icmps.value, reader) } };
  if (toPorts === undefined) return { traffic: 'all' };
  return trafficOf(readPlainPorts(toPorts.value, limits, reader), limits, reader);
}

/** The ports of toPorts, whose items have no `rules`. */
export function readPlainPorts(node: Node, { rulesInstead }: Limits, reader: FieldReader): PortItem[] {
  return readToPorts(node, reader).flatMap((item) => {
    const rules = item.entries.get('rules');
    if (rules !== undefined) reader.fail(rules.place, 'not-supported', rulesInstead);
    return readPortsOf(item, reader);
  });
}

export function readToPorts(node: Node, reader: FieldReader): MapNode[] {
  const items = reader.fullList(node, 'toPorts', 'Cilium would open every port; remove toPorts if that is meant') ?? [];
  return items.flatMap((item) => reader.map(item, TO_PORTS_FIELDS) ?? []);
}

export function readPortsOf(item: MapNode, reader: FieldReader): PortItem[] {
  const ports = reader.required(item, 'ports', 'an item of toPorts', 'ports: [{port: "443", protocol: TCP}]');
  return ports === undefined ? [] : readPorts(ports.value, reader);
}

export function trafficOf(items: readonly PortItem[], limits: Limits, reader: FieldReader): RuleTraffic {
  const traffic = { ports: numbersOf(items, limits, reader), icmp: [] };
  const namedPorts = items.flatMap((item) =>
    item.kind === 'name' ? [{ name: item.name, protocols: item.protocols }] : [],
  );
  return namedPorts.length === 0 ? { traffic } : { traffic, namedPorts };
}

/** Those with a number; names where there can be none are problems. */
export function numbersOf(items: readonly PortItem[], { whyNotNamed }: Limits, reader: FieldReader): PortRange[] {
  const why = whyNotNamed ?? (reader.knowsAllPods ? undefined : NAMES_IN_CLUSTER);
  return items.flatMap((item) => {
    if (item.kind === 'number') return rangesOf(item);
    if (why === undefined) return [];
    const message = `Cannot use port "${item.name}": ${why}; write its number`;
    return reader.fail(item.place, 'not-supported', message) ?? [];
  });
}

function rangesOf({ first, last, protocols }: Extract<PortItem, { kind: 'number' }>): PortRange[] {
  const range = first === 0 ? { first: 1, last: LAST_PORT } : { first, last };
  return protocols.map((protocol) => ({ protocol, ...range }));
}
