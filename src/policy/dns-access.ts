// Whether a rule about addresses is about the DNS servers that pods ask, port 53: then it says whether names may be asked at all. We answer
// for these servers, so their packets never come to the kernel's rules; this stands for them.
import { assertNever } from '../base/errors.ts';
import { coverEverything, isWithin, parseRange } from './cidr.ts';
import { listedAddresses, readCidr } from './destinations.ts';
import type { Peer, PodSelector, ReachRule } from './policy.ts';
import { takesPort } from './ports.ts';
import { selects } from './select.ts';
import { DNS_POD, podsOfService, selectsService, type World } from './world.ts';

export const DNS_PORT = 53;

const CLUSTER_DNS: PodSelector = {
  namespace: DNS_POD.namespace,
  requirements: [{ subject: { kind: 'label', key: 'k8s-app' }, operator: 'In', values: ['kube-dns'] }],
};

export type DnsTransport = 'udp' | 'tcp';

export function isAboutDns(rule: ReachRule, transport: DnsTransport, world: World): boolean {
  if (!takesDnsPort(rule, transport, world)) return false;
  return rule.to.some((peer) => meansServers(peer, world)) || holdsServers(rule, world);
}

function takesDnsPort({ traffic, namedPorts = [] }: ReachRule, transport: DnsTransport, world: World): boolean {
  if (takesPort(traffic, transport, DNS_PORT)) return true;
  const wanted = namedPorts.filter(({ protocols }) => protocols.includes(transport));
  if (wanted.length === 0) return false;
  const known = world.pods.filter(({ namespace, labels }) => selects(CLUSTER_DNS, { ...DNS_POD, namespace, labels }));
  const ports = [...dnsPods(world), ...known].flatMap((pod) => pod.ports ?? []);
  return ports.some(
    ({ name, port, protocol }) =>
      port === DNS_PORT && protocol === transport && wanted.some((each) => each.name === name),
  );
}

function meansServers(peer: Peer, world: World): boolean {
  switch (peer.kind) {
    case 'any':
      return true;
    case 'host':
    case 'cidr': // holdsServers
    case 'nodes':
      return false;
    case 'pods':
      return dnsPods(world).some((pod) => selects(peer.selector, pod));
    case 'services': {
      const meant = (world.services ?? []).filter((service) => selectsService(peer, service));
      const selectors = meant.flatMap((service) => podsOfService(service) ?? []);
      return selectors.some((selector) => dnsPods(world).some((pod) => selects(selector, pod)));
    }
    default:
      return assertNever(peer);
  }
}

/**
 * By their addresses. One server is enough for an allow rule: all of them give our answers. A denial of some leaves the others; one of every
 * address has them all, also where nobody said which they are: they may be pods of the cluster then, which no CIDR of Cilium's means.
 */
function holdsServers({ to, verdict }: ReachRule, world: World): boolean {
  const { dnsServers, areDnsServersInside } = world;
  const areKnown = dnsServers.length > 0;
  if (!areKnown && verdict === 'allow') return false;
  const mayBeInside = areDnsServersInside || !areKnown;
  const ranges = to.flatMap((peer) => {
    if (peer.kind === 'cidr') return peer.isOutside === true && mayBeInside ? [] : readCidr(peer).rest;
    return listedAddresses(peer, world).flatMap((address) => parseRange(address) ?? []);
  });
  const isHeld = (address: string): boolean => {
    const range = parseRange(address);
    return range !== undefined && ranges.some((each) => isWithin(range, each));
  };
  if (verdict === 'allow') return dnsServers.some(isHeld);
  return areKnown ? dnsServers.every(isHeld) : coverEverything(ranges);
}

function dnsPods(world: World) {
  const known = world.pods.find(({ namespace }) => namespace === DNS_POD.namespace);
  const labels = { ...world.dnsNamespaceLabels, ...known?.namespaceLabels, ...DNS_POD.namespaceLabels };
  return [
    { ...DNS_POD, namespaceLabels: labels },
    ...world.pods.filter(({ addresses }) => hasServer(addresses, world)),
  ];
}

function hasServer(addresses: readonly string[], { dnsServers }: World): boolean {
  return addresses.some((address) => dnsServers.includes(address));
}
