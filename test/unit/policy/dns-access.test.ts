import { expect, test } from 'vitest';
import type { Pod } from '../../../src/pods/pod.ts';
import { isAboutDns } from '../../../src/policy/dns-access.ts';
import type { NamedPort, Peer, PodSelector, ReachRule } from '../../../src/policy/policy.ts';
import { EMPTY_WORLD, type World } from '../../../src/policy/world.ts';

const labelled = (namespace: string, key: string, value: string): PodSelector => ({
  namespace,
  requirements: [{ subject: { kind: 'label', key }, operator: 'In', values: [value] }],
});
const ofTeam = (team: string): Peer => ({
  kind: 'pods',
  selector: { requirements: [{ subject: { kind: 'namespace-label', key: 'team' }, operator: 'In', values: [team] }] },
});
const kubeDns: Peer = { kind: 'pods', selector: labelled('kube-system', 'k8s-app', 'kube-dns') };
const resolver: Pod = {
  uid: 'r',
  namespace: 'infra',
  name: 'resolver',
  labels: { app: 'resolver' },
  addresses: ['192.0.2.53'],
};
const coreDns: Pod = {
  uid: 'c',
  namespace: 'kube-system',
  name: 'coredns-1',
  labels: { 'k8s-app': 'kube-dns' },
  namespaceLabels: { team: 'ops' },
  addresses: ['10.1.0.53'],
  ports: [
    { name: 'plain', port: 53, protocol: 'udp' },
    { name: 'other', port: 5353, protocol: 'udp' },
  ],
};
const WORLD: World = {
  ...EMPTY_WORLD,
  pods: [resolver, coreDns],
  knowsAllPods: true,
  nodes: [{ name: 'n', labels: {}, addresses: ['10.9.0.53'], isLocal: false }],
  services: [
    { namespace: 'kube-system', name: 'kube-dns', labels: {}, selector: { 'k8s-app': 'kube-dns' }, addresses: [] },
    { namespace: 'kube-system', name: 'metrics', labels: {}, selector: { 'k8s-app': 'metrics' }, addresses: [] },
    { namespace: 'infra', name: 'listed', labels: {}, addresses: ['192.0.2.53'] },
  ],
  dnsServers: ['10.96.0.10', '192.0.2.53'],
};
const service = (namespace: string, name: string): Peer => ({ kind: 'services', namespace, name, requirements: [] });
const cidr = (text: string, ...except: string[]): Peer => ({ kind: 'cidr', cidr: text, except });
const outside = (text: string): Peer => ({ kind: 'cidr', cidr: text, except: [], isOutside: true });

const rule = (to: readonly Peer[], more: Partial<ReachRule> = {}): ReachRule => ({
  kind: 'reach',
  verdict: 'allow',
  to,
  traffic: 'all',
  at: 'p.yaml:1:1',
  ...more,
});

test.each<[why: string, peer: Peer, isAbout: boolean]>([
  ['everything', { kind: 'any' }, true],
  ['not the node', { kind: 'host' }, false],
  ['the cluster’s DNS by its labels', kubeDns, true],
  ['not other pods of its namespace', { kind: 'pods', selector: labelled('kube-system', 'k8s-app', 'metrics') }, false],
  ['a pod that has the address of a server', { kind: 'pods', selector: labelled('infra', 'app', 'resolver') }, true],
  ['not a pod beside it', { kind: 'pods', selector: labelled('infra', 'app', 'web') }, false],
  ['the cluster’s DNS by a label of its namespace', ofTeam('ops'), true],
  ['not by another', ofTeam('shop'), false],
  ['a Service that selects its pods', service('kube-system', 'kube-dns'), true],
  ['not a Service that selects others', service('kube-system', 'metrics'), false],
  ['a Service that lists a server', service('infra', 'listed'), true],
  ['a CIDR that has one', cidr('10.96.0.0/16'), true],
  ['not where it is excepted', cidr('10.96.0.0/16', '10.96.0.10'), false],
  ['not one beside it', cidr('10.97.0.0/16'), false],
  ['nodes that have no server’s address', { kind: 'nodes', requirements: [] }, false],
])('an allow rule is about the DNS servers: %s', (_why, peer, isAbout) => {
  expect(isAboutDns(rule([peer]), 'udp', WORLD)).toBe(isAbout);
});

test('labels of the namespace that no pod is known of are those that were given', () => {
  const world = { ...WORLD, pods: [], dnsNamespaceLabels: { team: 'ops' } };
  expect(isAboutDns(rule([ofTeam('ops')]), 'udp', world)).toBe(true);
  expect(isAboutDns(rule([ofTeam('ops')]), 'udp', { ...world, dnsNamespaceLabels: { team: 'shop' } })).toBe(false);
});

test('of a node with the address of a server', () => {
  const world = { ...WORLD, dnsServers: ['10.9.0.53'] };
  expect(isAboutDns(rule([{ kind: 'nodes', requirements: [] }]), 'udp', world)).toBe(true);
});

test.each(['deny', 'pass'] as const)(
  'a %s rule is about the DNS servers when its CIDRs have all of them',
  (verdict) => {
    expect(isAboutDns(rule([cidr('10.96.0.0/16')], { verdict }), 'udp', WORLD)).toBe(false);
    expect(isAboutDns(rule([cidr('10.96.0.0/16'), cidr('192.0.2.53')], { verdict }), 'udp', WORLD)).toBe(true);
    expect(isAboutDns(rule([cidr('0.0.0.0/0')], { verdict }), 'udp', { ...WORLD, dnsServers: [] })).toBe(false);
  },
);

test('a CIDR of Cilium means servers outside the cluster alone', () => {
  expect(isAboutDns(rule([outside('10.96.0.0/16')]), 'udp', { ...WORLD, areDnsServersInside: true })).toBe(false);
  expect(isAboutDns(rule([outside('10.96.0.0/16')]), 'udp', WORLD)).toBe(true);
  expect(isAboutDns(rule([cidr('10.96.0.0/16')]), 'udp', { ...WORLD, areDnsServersInside: true })).toBe(true);
});

test.each<[why: string, more: Partial<ReachRule>, over: string[]]>([
  ['all traffic', {}, ['udp', 'tcp']],
  ['port 53 of one protocol', { traffic: { ports: [{ protocol: 'tcp', first: 1, last: 53 }], icmp: [] } }, ['tcp']],
  ['no other port', { traffic: { ports: [{ protocol: 'tcp', first: 54, last: 99 }], icmp: [] } }, []],
  ['what the cluster’s DNS calls its ports', named({ name: 'dns-tcp', protocols: ['tcp', 'udp'] }), ['tcp']],
  ['for the protocols that are meant', named({ name: 'dns', protocols: ['tcp'] }), []],
  ['what a known pod of it calls them', named({ name: 'plain', protocols: ['udp'] }), ['udp']],
  ['not a port with another number', named({ name: 'other', protocols: ['udp'] }), []],
  ['not a name of nobody', named({ name: 'http', protocols: ['udp', 'tcp'] }), []],
])('by ports: %s', (_why, more, over) => {
  expect((['udp', 'tcp'] as const).filter((each) => isAboutDns(rule([{ kind: 'any' }], more), each, WORLD))).toEqual(
    over,
  );
});

function named(port: NamedPort): Partial<ReachRule> {
  return { traffic: { ports: [], icmp: [] }, namedPorts: [port] };
}

test.each<[why: string, verdict: ReachRule['verdict'], to: Peer[], isAbout: boolean]>([
  ['a denial of every address has them all', 'deny', [cidr('0.0.0.0/0'), cidr('::/0')], true],
  ['in halves, too', 'deny', [cidr('0.0.0.0/1'), cidr('128.0.0.0/1'), cidr('::/0')], true],
  ['so has what passes it on', 'pass', [cidr('0.0.0.0/0'), cidr('::/0')], true],
  ['not one of what is outside the cluster', 'deny', [outside('0.0.0.0/0'), outside('::/0')], false],
  ['one of a family has not', 'deny', [cidr('0.0.0.0/0')], false],
  ['nor one with an exception', 'deny', [cidr('0.0.0.0/0', '192.0.2.0/24'), cidr('::/0')], false],
  ['an allow of every address names none of them', 'allow', [cidr('0.0.0.0/0'), cidr('::/0')], false],
])('where nobody said which servers there are: %s', (_why, verdict, to, isAbout) => {
  expect(isAboutDns(rule(to, { verdict }), 'udp', { ...WORLD, dnsServers: [] })).toBe(isAbout);
});
