// One egress rule: what it does (action) with which packets (protocols) to whom (to).
import type { EgressRule, ReachRule } from '../../policy.ts';
import type { MapNode, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readPeers, type Peers } from './peers.ts';
import { readProtocols, type Protocols } from './protocols.ts';
import { readWord } from './values.ts';

const FIELDS = {
  what: 'an egress rule',
  known: ['name', 'action', 'to', 'protocols'],
  foreign: new Map([
    ['ports', 'write protocols: [{tcp: {destinationPort: {number: 443}}}]'],
    ['toPorts', 'write protocols: [{tcp: {destinationPort: {number: 443}}}]'],
    ['toFQDNs', 'write to: [{domainNames: [example.org]}]'],
    ['domainNames', 'write to: [{domainNames: [example.org]}]'],
    ['from', 'write to: from is for ingress'],
  ]),
};
const ACTIONS = ['Accept', 'Deny', 'Pass'] as const;
const VERDICTS = { Accept: 'allow', Deny: 'deny', Pass: 'pass' } as const;
const MAX_NAME = 100;

/** `answerRanges`: of the policy's annotation, for all of its names. */
export function readEgressRule(
  node: Node,
  answerRanges: readonly string[] | undefined,
  reader: FieldReader,
): readonly EgressRule[] {
  const map = reader.map(node, FIELDS);
  if (map === undefined) return [];
  checkName(map, reader);
  const entry = reader.required(map, 'action', FIELDS.what, 'action: Accept, Deny or Pass');
  const action = entry && readWord(entry.value, 'action', ACTIONS, reader);
  const to = reader.required(map, 'to', FIELDS.what, 'to: [{networks: [0.0.0.0/0, "::/0"]}] for every address');
  const peers = to && readPeers(to.value, reader);
  const written = map.entries.get('protocols');
  const protocols = written && readProtocols(written.value, reader);
  if (action === undefined || peers === undefined) return [];
  checkTogether(action, peers, protocols, reader);
  return [
    ...reachOf(VERDICTS[action], peers, protocols, map.place.at),
    // Both accept: whichever of the two is asked first, the answer is the same.
    ...(peers.names.length === 0 ? [] : [connectOf(peers, protocols, answerRanges)]),
  ];
}

/** For its readers. */
function checkName(map: MapNode, reader: FieldReader): void {
  const entry = map.entries.get('name');
  const name = entry && reader.text(entry.value, 'name');
  if (entry === undefined || name === undefined || Array.from(name).length <= MAX_NAME) return;
  reader.fail(entry.value.place, 'bad-value', `Shorten the name of the rule: at most ${MAX_NAME} characters`);
}

function checkTogether(
  action: (typeof ACTIONS)[number],
  { namesAt, areBeyondPods }: Peers,
  protocols: Protocols | undefined,
  reader: FieldReader,
): void {
  // In the API's words. An address that nobody looked up yet would be neither denied nor passed.
  const acceptOnly =
    'domainNames may only be used with Accept action; write its addresses as networks, or leave the name out of what is accepted';
  for (const place of action === 'Accept' ? [] : namesAt) reader.fail(place, 'bad-rule', acceptOnly);
  const noNames =
    'networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts for networks/nodes/domainNames; write tcp, udp or sctp with its number instead of destinationNamedPort';
  for (const { place } of areBeyondPods ? (protocols?.namedPorts ?? []) : []) reader.fail(place, 'bad-rule', noNames);
}

function reachOf(
  verdict: ReachRule['verdict'],
  { addressed }: Peers,
  protocols: Protocols | undefined,
  at: string,
): readonly ReachRule[] {
  if (addressed.length === 0) return [];
  const rule = { kind: 'reach', verdict, to: addressed, at } as const;
  if (protocols === undefined) return [{ ...rule, traffic: 'all' }];
  const traffic = { ports: protocols.ports, icmp: [] };
  if (protocols.namedPorts.length === 0) return [{ ...rule, traffic }];
  return [
    { ...rule, traffic, namedPorts: protocols.namedPorts.map(({ name, protocols: of }) => ({ name, protocols: of })) },
  ];
}

function connectOf(
  { names }: Peers,
  protocols: Protocols | undefined,
  answerRanges: readonly string[] | undefined,
): EgressRule {
  const ports = protocols === undefined ? 'all' : protocols.ports;
  return { kind: 'connect', names, isSilent: true, ports, ...(answerRanges === undefined ? {} : { answerRanges }) };
}
