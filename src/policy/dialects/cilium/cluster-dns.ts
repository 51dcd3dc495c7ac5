// Rules whose destination is the cluster's DNS. On port 53 it stands for the configured DNS servers: names are asked of them, whoever they
// are. On every other port it is pods like others.
import type { EgressRule, Peer, ReachRule } from '../../policy.ts';
import type { MapNode } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { askEveryName, isDnsPort, readDnsItem } from './asking.ts';
import type { PortItem } from './ports.ts';
import { readPortsOf, readToPorts, readTraffic, trafficOf, type RuleTraffic } from './traffic.ts';

const ONLY_DNS = 'the pods of other nodes are not known; only port "53" of the cluster DNS is supported in a cluster';
const NO_LIMITS = { rulesInstead: '' };

export function readClusterDns(map: MapNode, to: readonly Peer[], reader: FieldReader): EgressRule[] {
  const toPorts = map.entries.get('toPorts');
  if (toPorts === undefined || map.entries.has('icmps')) {
    if (!reader.knowsAllPods) refuse(map, reader);
    const all = readTraffic(map, NO_LIMITS, reader);
    return all === undefined ? [] : [reach(map, to, all)];
  }
  const asked: EgressRule[] = [];
  const others: PortItem[] = [];
  for (const item of readToPorts(toPorts.value, reader)) {
    const rules = item.entries.get('rules');
    if (rules !== undefined) {
      asked.push(...readDnsItem(item, rules, reader));
      continue;
    }
    const ports = readPortsOf(item, reader);
    const dns = ports.filter(isDnsPort);
    if (dns.length > 0) asked.push(askEveryName(dns, item.place.at));
    others.push(...ports.filter((port) => !isDnsPort(port)));
  }
  if (others.length === 0) return asked;
  if (!reader.knowsAllPods) {
    for (const port of others) {
      reader.fail(port.place, 'not-supported', `Cannot open ${shown(port)} of the cluster DNS: ${ONLY_DNS}`);
    }
    return asked;
  }
  return [...asked, reach(map, to, trafficOf(others, NO_LIMITS, reader))];
}

/** Where its pods are not known, denying more than port 53 would deny it to everybody. */
export function refuseMoreThanDns(map: MapNode, { traffic, namedPorts }: RuleTraffic, reader: FieldReader): void {
  if (reader.knowsAllPods || namedPorts !== undefined) return; // names have their message
  const isOnlyDns =
    traffic !== 'all' &&
    traffic.icmp.length === 0 &&
    traffic.ports.every(({ first, last }) => first === 53 && last === 53);
  if (isOnlyDns) return;
  reader.fail(map.place, 'not-supported', `Cannot deny more than port "53" of the cluster DNS: ${ONLY_DNS}`);
}

function refuse(map: MapNode, reader: FieldReader): void {
  const message = `Add "toPorts" with port "53" to this egress rule, and nothing else: ${ONLY_DNS}`;
  reader.fail(map.place, 'missing-field', message);
}

function reach(map: MapNode, to: readonly Peer[], traffic: RuleTraffic): ReachRule {
  return { kind: 'reach', verdict: 'allow', to, ...traffic, at: map.place.at };
}

function shown(port: PortItem): string {
  if (port.kind === 'name') return `port "${port.name}"`;
  return port.first === port.last ? `port "${port.first}"` : `ports ${port.first} to ${port.last}`;
}
