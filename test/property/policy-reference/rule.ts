// What a rule of any dialect comes to: places, what of the packets to them it takes, and names that may be asked; and whether it matches a
// packet, or a query to the configured DNS servers.
import {
  edgesOf,
  isInRange,
  isInSomeRange,
  isRangeInside,
  isSameAddress,
  withNat64,
  withoutNat64,
} from './addresses.ts';
import type { Candidate } from './select.ts';
import { labelsOf, type Destination, type Node, type Pod, type Question, type Transport, type World } from './world.ts';

export type Place =
  | { readonly kind: 'any' }
  | { readonly kind: 'host' }
  /** `isOutside`: the cluster's own addresses are not meant; servers that nobody names may be among them. */
  | { readonly kind: 'range'; readonly cidr: string; readonly except: readonly string[]; readonly isOutside?: true }
  | { readonly kind: 'pods'; readonly selects: (pod: Candidate) => boolean }
  | { readonly kind: 'nodes'; readonly selects: (node: Node) => boolean }
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  /** `answerRanges`: what these names open of the ranges that the configuration protects. */
  | {
      readonly kind: 'names';
      readonly selects: (labels: readonly string[]) => boolean;
      readonly answerRanges: readonly string[];
    };

export interface Packet {
  readonly protocol: Destination['protocol'];
  readonly port: number;
  /** Who lives at the destination: a named port is a port of theirs. */
  readonly pods: readonly Pod[];
}

export interface Rule {
  readonly places: readonly Place[];
  readonly takes: (packet: Packet) => boolean;
  /** Beside what its places say about the DNS servers. */
  readonly mayAsk?: (labels: readonly string[], transport: Transport) => boolean;
}

/** `open`: allow and Accept. `close`: deny, Deny and Pass, which have no gaps. */
export type Intent = 'open' | 'close';

const DNS_PORT = 53;
/** Stands for pods of the cluster's DNS, also where none is known; its ports are those of every installation. */
const CLUSTER_DNS_POD: Pod = {
  namespace: 'kube-system',
  name: 'kube-dns',
  labels: { 'k8s-app': 'kube-dns' },
  addresses: [],
  ports: [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ],
};
const CLUSTER_DNS: Candidate = { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };

export function takesEverything(): boolean {
  return true;
}

export function takesNothing(): boolean {
  return false;
}

export function matches(rule: Rule, intent: Intent, question: Question, world: World): boolean {
  if (question.kind === 'connect') {
    const { destination } = question;
    const pods = world.pods.filter((pod) => hasAddress(pod, destination.address));
    const { protocol, port } = destination;
    // What is closed is closed behind NAT64, too.
    const addresses = intent === 'close' ? withoutNat64(destination.address) : [destination.address];
    const ways = addresses.map((address) => ({ ...destination, address }));
    return (
      rule.takes({ protocol, port, pods }) &&
      rule.places.some((place) => ways.some((way) => reaches(place, intent, way, world)))
    );
  }
  const { name, transport } = question;
  if (rule.mayAsk?.(labelsOf(name), transport) === true) return true;
  const pods = [CLUSTER_DNS_POD, ...world.pods.filter((pod) => isDnsPod(pod, world))];
  return rule.takes({ protocol: transport, port: DNS_PORT, pods }) && holdsServers(rule.places, intent, world);
}

/** The node itself is opened by its name, never by its address. */
function reaches(place: Place, intent: Intent, destination: Destination, world: World): boolean {
  const { address, isHost } = destination;
  const byAddress = intent === 'close' || !isHost;
  switch (place.kind) {
    case 'any':
      return intent === 'close' || !isInSomeRange(address, withNat64(world.protectedRanges.everywhere));
    case 'host':
      return isHost;
    case 'range':
      return byAddress && isOfRange(place, address) && (intent === 'close' || isOpenedBy(place.cidr, address, world));
    case 'pods':
      return byAddress && world.pods.some((pod) => place.selects(pod) && hasAddress(pod, address));
    case 'nodes':
      return world.nodes.some((node) => place.selects(node) && (node.isLocal ? isHost : hasAddress(node, address)));
    case 'addresses':
      return byAddress && hasAddress(place, address);
    case 'names':
      return (
        !isHost && destination.names.some((name) => place.selects(labelsOf(name))) && isGranted(place, address, world)
      );
    default:
      return place satisfies never;
  }
}

function isOfRange({ cidr, except }: Extract<Place, { kind: 'range' }>, address: string): boolean {
  return isInRange(address, cidr) && !isInSomeRange(address, except);
}

/** A range that lies inside a protected one was meant; any other leaves protected addresses closed. */
function isOpenedBy(cidr: string, address: string, { protectedRanges }: World): boolean {
  const { everywhere, cluster, configured } = protectedRanges;
  const closed = withNat64([...everywhere, ...cluster, ...configured]);
  return closed.some((range) => isRangeInside(cidr, range)) || !isInSomeRange(address, closed);
}

function isGranted({ answerRanges }: Extract<Place, { kind: 'names' }>, address: string, world: World): boolean {
  const { everywhere, cluster, configured } = world.protectedRanges;
  if (isInSomeRange(address, withNat64([...everywhere, ...cluster]))) return false;
  return !isInSomeRange(address, withNat64(configured)) || isInSomeRange(address, withNat64(answerRanges));
}

/** To allow them, one of the servers is enough; to deny them or to pass, the rule must hold them all: where none is known, every address there is. */
function holdsServers(places: readonly Place[], intent: Intent, world: World): boolean {
  const { dnsServers } = world;
  if (places.some((place) => place.kind === 'any' || isClusterDnsPlace(place, world))) return true;
  const isHeld = (server: string): boolean => places.some((place) => holdsAddress(place, server, world));
  if (intent === 'open') return dnsServers.some(isHeld);
  return dnsServers.length === 0 ? holdsEverything(places, world) : dnsServers.every(isHeld);
}

/** Nothing changes between the edges of what is written. */
function holdsEverything(places: readonly Place[], world: World): boolean {
  const meant = places.filter((place) => place.kind !== 'range' || place.isOutside !== true);
  const written = meant.flatMap((place) => (place.kind === 'range' ? [place.cidr, ...place.except] : []));
  const isHeld = (address: string): boolean => meant.some((place) => holdsAddress(place, address, world));
  return ['0.0.0.0/0', '::/0', ...written].flatMap(edgesOf).every(isHeld);
}

function isClusterDnsPlace(place: Place, world: World): boolean {
  if (place.kind !== 'pods') return false;
  return place.selects(CLUSTER_DNS) || world.pods.some((pod) => place.selects(pod) && isServer(pod, world));
}

function holdsAddress(place: Place, address: string, world: World): boolean {
  if (place.kind === 'range') return isOfRange(place, address);
  if (place.kind === 'addresses') return hasAddress(place, address);
  if (place.kind !== 'nodes') return false;
  return world.nodes.some((node) => place.selects(node) && hasAddress(node, address));
}

function isDnsPod(pod: Pod, world: World): boolean {
  return isServer(pod, world) || (pod.namespace === CLUSTER_DNS.namespace && pod.labels['k8s-app'] === 'kube-dns');
}

function isServer(pod: Pod, { dnsServers }: World): boolean {
  return dnsServers.some((server) => hasAddress(pod, server));
}

function hasAddress({ addresses }: { readonly addresses: readonly string[] }, address: string): boolean {
  return addresses.some((each) => isSameAddress(each, address));
}
