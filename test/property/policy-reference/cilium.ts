// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: what the rules that select a pod let it do.
import { takesIcmp, takesPort } from './cilium-traffic.ts';
import {
  isAudited,
  type CiliumEgress,
  type CiliumPolicy,
  type CiliumRule,
  type ToPorts,
  type ToService,
} from './documents.ts';
import { matchesSelector } from './names.ts';
import type { NormalPolicy } from './normal.ts';
import { takesEverything, takesNothing, type Packet, type Place, type Rule } from './rule.ts';
import { isClusterDns, selectsDestination, selectsEndpoint, selectsLabels, selectsSourceless } from './select.ts';
import type { Pod, Service, World } from './world.ts';

/** `own`: the namespace of the policy; undefined for a clusterwide one. */
interface Surroundings {
  readonly own: string | undefined;
  readonly world: World;
  readonly answerRanges: readonly string[];
}

/** One for each rule that selects the pod for egress. */
export function ciliumPolicies(document: CiliumPolicy, world: World, pod: Pod): NormalPolicy[] {
  const { namespace = 'default', annotations } = document.metadata;
  const own = document.kind === 'CiliumNetworkPolicy' ? namespace : undefined;
  const ranges = annotations?.['namewall.io/allow-answer-ranges'];
  const answerRanges = ranges === undefined ? [] : ranges.split(',').map((range) => range.trim());
  const rules = [...(document.spec === undefined ? [] : [document.spec]), ...(document.specs ?? [])];
  return rules
    .filter((rule) => isAboutEgress(rule) && (own === undefined || own === pod.namespace))
    .filter((rule) => selectsEndpoint(rule.endpointSelector, pod, world))
    .map((rule) => ({
      isAudited: isAudited(document),
      isolates: rule.enableDefaultDeny?.egress ?? true,
      allows: (rule.egress ?? []).flatMap((entry) => allowsOf(entry, { own, world, answerRanges })),
      denies: (rule.egressDeny ?? []).map((entry) => addressRule(entry, { own, world, answerRanges })),
    }));
}

/** A rule of ingress alone says nothing here, unless it says that egress is denied. */
function isAboutEgress({ egress = [], egressDeny = [], enableDefaultDeny }: CiliumRule): boolean {
  return egress.length > 0 || egressDeny.length > 0 || enableDefaultDeny?.egress === true;
}

function allowsOf(entry: CiliumEgress, surroundings: Surroundings): Rule[] {
  const { toFQDNs, toEndpoints, toPorts = [] } = entry;
  if (toFQDNs !== undefined) {
    const selects = (labels: readonly string[]): boolean =>
      toFQDNs.some((each) => matchesSelector(each, labels, 'toFQDNs'));
    const { answerRanges } = surroundings;
    return [{ places: [{ kind: 'names', selects, answerRanges }], takes: takesOf(entry), mayAsk: selects }];
  }
  const isAboutDns = toEndpoints?.every((selector) => isClusterDns(selector, surroundings.own)) ?? false;
  if (isAboutDns && toPorts.length > 0 && toPorts.every(isPort53)) return toPorts.map(askRule);
  const filtered = toPorts.filter(({ rules }) => rules !== undefined);
  if (filtered.length === 0) return [addressRule(entry, surroundings)];
  const plain = toPorts.filter(({ rules }) => rules === undefined);
  return [...filtered.map(askRule), addressRule({ ...entry, toPorts: plain }, surroundings)];
}

/** Names that may be asked; no address is opened. Without names: every one. */
function askRule({ ports, rules }: ToPorts): Rule {
  const names = rules === undefined || rules.dns.length === 0 ? [{ matchPattern: '*' }] : rules.dns;
  return {
    places: [],
    takes: takesNothing,
    mayAsk: (labels, transport) =>
      names.some((each) => matchesSelector(each, labels, 'rules.dns')) &&
      ports.some((port) => takesPort(port, { protocol: transport, port: 53, pods: [] })),
  };
}

function isPort53({ ports }: ToPorts): boolean {
  return ports.every(({ port, endPort = 53 }) => String(port) === '53' && endPort === 53);
}

function addressRule(entry: CiliumEgress, surroundings: Surroundings): Rule {
  return { places: placesOf(entry, surroundings), takes: takesOf(entry) };
}

function takesOf({ toPorts, icmps }: CiliumEgress): (packet: Packet) => boolean {
  if (icmps !== undefined) {
    return (packet) => icmps.some(({ fields }) => fields.some((field) => takesIcmp(field, packet)));
  }
  if (toPorts === undefined) return takesEverything;
  return (packet) => toPorts.some(({ ports }) => ports.some((port) => takesPort(port, packet)));
}

function placesOf(entry: CiliumEgress, { own, world }: Surroundings): Place[] {
  const { toEndpoints, toCIDR, toCIDRSet, toEntities, toServices, toNodes } = entry;
  if (toEndpoints !== undefined) {
    return toEndpoints.map((selector) => ({
      kind: 'pods',
      selects: (pod) => selectsDestination(selector, own, pod, world),
    }));
  }
  if (toCIDR !== undefined) return toCIDR.map((cidr) => ({ kind: 'range', cidr, except: [], isOutside: true }));
  if (toCIDRSet !== undefined)
    return toCIDRSet.map(({ cidr, except = [] }) => ({ kind: 'range', cidr, except, isOutside: true }));
  if (toEntities !== undefined) return toEntities.flatMap(entityPlaces);
  if (toServices !== undefined) return toServices.flatMap((each) => servicePlaces(each, world));
  if (toNodes !== undefined) {
    return toNodes.map((selector) => ({ kind: 'nodes', selects: (node) => selectsSourceless(selector, node.labels) }));
  }
  // `- {}` is nobody; ports or types of ICMP alone are about everybody.
  return entry.toPorts === undefined && entry.icmps === undefined ? [] : [{ kind: 'any' }];
}

const WORLD4: Place = { kind: 'range', cidr: '0.0.0.0/0', except: [], isOutside: true };
const WORLD6: Place = { kind: 'range', cidr: '::/0', except: [], isOutside: true };
const ENTITIES: Readonly<Record<string, readonly Place[]>> = {
  all: [{ kind: 'any' }],
  world: [WORLD4, WORLD6],
  'world-ipv4': [WORLD4],
  'world-ipv6': [WORLD6],
  host: [{ kind: 'host' }],
  'remote-node': [{ kind: 'nodes', selects: (node) => !node.isLocal }],
  cluster: [{ kind: 'host' }, { kind: 'nodes', selects: () => true }, { kind: 'pods', selects: () => true }],
  none: [],
};

function entityPlaces(name: string): readonly Place[] {
  const places = ENTITIES[name];
  if (places === undefined) throw new Error(`The reference does not know entity ${name}`);
  return places;
}

/** Without a namespace: the Services of every one, as in Cilium. */
function servicePlaces({ k8sService, k8sServiceSelector }: ToService, { services }: World): Place[] {
  const isMeant = (service: Service): boolean => {
    const namespace = k8sService?.namespace ?? k8sServiceSelector?.namespace;
    if (namespace !== undefined && namespace !== service.namespace) return false;
    if (k8sService !== undefined) return k8sService.serviceName === service.name;
    return k8sServiceSelector !== undefined && selectsSourceless(k8sServiceSelector.selector, service.labels);
  };
  return services.filter(isMeant).map(({ namespace, selector, addresses = [] }) => {
    if (selector === undefined) return { kind: 'addresses', addresses };
    const selects = (pod: { namespace: string; labels: Readonly<Record<string, string>> }): boolean =>
      pod.namespace === namespace && selectsLabels({ matchLabels: selector }, pod.labels);
    return { kind: 'pods', selects };
  });
}
