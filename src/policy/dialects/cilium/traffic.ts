// What of the packets to a destination a rule takes: toPorts without rules, icmps, or neither, which is everything.
import type { PortRange, Traffic } from '../../compiled.ts';
import { LAST_PORT } from '../../ports.ts';
import type { MapNode, Node } from '../document.ts';
import type { FieldReader, FieldTable } from '../fields.ts';
import { readIcmps } from './icmps.ts';
import { readPorts, type PortItem } from './ports.ts';

const INSIDE = 'remove it; namewall never reads inside connections';
export const TO_PORTS_FIELDS: FieldTable = {
  what: 'an item of toPorts',
  known: ['ports', 'rules'],
  refused: new Map([
    ['serverNames', 'remove the item; without the check of server names it would open more than it says'],
    ['terminatingTLS', INSIDE],
    ['originatingTLS', INSIDE],
    ['listener', 'remove the item; there is no Envoy'],
  ]),
};

/** `rulesInstead`: what to do about `rules` in toPorts, which restrict names or contents and so cannot stand here. */
export function readTraffic(map: MapNode, rulesInstead: string, reader: FieldReader): Traffic | undefined {
  const toPorts = map.entries.get('toPorts');
  const icmps = map.entries.get('icmps');
  if (toPorts !== undefined && icmps !== undefined) {
    const message = 'the ICMPs block may only be present without ToPorts; write two rules';
    return reader.fail(icmps.place, 'bad-rule', message);
  }
  if (icmps !== undefined) return { ports: [], icmp: readIcmps(icmps.value, reader) };
  return toPorts === undefined ? 'all' : { ports: readPlainPorts(toPorts.value, rulesInstead, reader), icmp: [] };
}

export function readPlainPorts(node: Node, rulesInstead: string, reader: FieldReader): PortRange[] {
  return readToPorts(node, reader).flatMap((item) => {
    const rules = item.entries.get('rules');
    if (rules !== undefined) reader.fail(rules.place, 'not-supported', rulesInstead);
    return readPortsOf(item, reader).flatMap(rangesOf);
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

export function rangesOf({ first, last, protocols }: PortItem): PortRange[] {
  const range = first === 0 ? { first: 1, last: LAST_PORT } : { first, last };
  return protocols.map((protocol) => ({ protocol, ...range }));
}
