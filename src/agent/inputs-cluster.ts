// Pods and policies of a node, from the API server. What the cluster says is taken as it is: a policy that was refused is closed or stands
// as it was, and never keeps the rest from taking effect.
import { createHash } from 'node:crypto';
import type { Parsed, Problem } from '../base/errors.ts';
import { familyOf, formatAddress, parseAddress } from '../base/ip.ts';
import type { Family } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { UpstreamZone } from '../datapath/settings.ts';
import { isIPv4Cidr, RangeMatcher } from '../kernel/protected.ts';
import type { ProtectedRange } from '../kernel/protected.ts';
import { enforced } from '../policy/enforced.ts';
import { Cluster } from '../kubernetes/cluster.ts';
import type { ClusterView } from '../kubernetes/cluster.ts';
import type { Endpoint } from '../sys/sys.ts';
import { DNS_PORT } from './config-dns.ts';
import type { NodeConfig } from './config.ts';
import type { Inputs, InputSource } from './inputs.ts';
import { ResolvConfFile } from './resolv-conf-file.ts';

/** What does not become nothing because an object was deleted: pods go on asking the address that stands in their resolv.conf. */
interface Lasting {
  readonly dnsServers: readonly string[];
  readonly podRanges: readonly string[];
}

export class ClusterSource implements InputSource {
  readonly #config: NodeConfig;
  readonly #cluster: Pick<Cluster, 'view' | 'close'>;
  readonly #log: Logger;
  /** Where neither the cluster nor the configuration says whom else we ask. */
  readonly #resolvConf: ResolvConfFile | undefined;
  #lasting: Lasting = { dnsServers: [], podRanges: [] };
  #leftOut = '[]';
  #problemCount = 0;

  constructor(config: NodeConfig, cluster: Pick<Cluster, 'view' | 'close'>, log: Logger, resolvConf?: ResolvConfFile) {
    this.#config = config;
    this.#cluster = cluster;
    this.#log = log;
    this.#resolvConf = resolvConf;
  }

  /** Resolves when everything was listed once, however long that takes; `signal` gives up. Rejects with KubernetesError. */
  static async open(config: NodeConfig, changed: () => void, log: Logger, signal: AbortSignal): Promise<ClusterSource> {
    const { upstreams } = config;
    const isFile = typeof upstreams !== 'string' && 'file' in upstreams;
    const resolvConf = isFile ? await ResolvConfFile.open(upstreams.file, changed, log) : undefined;
    const cluster = await Cluster.start(config.kubernetes, { changed, log }, signal);
    return new ClusterSource(config, cluster, log, resolvConf);
  }

  async read(): Promise<Parsed<Inputs>> {
    const view = this.#cluster.view();
    this.#lasting = {
      dnsServers: view.dnsServers.length > 0 ? view.dnsServers : this.#lasting.dnsServers,
      podRanges: view.podRanges.length > 0 ? view.podRanges : this.#lasting.podRanges,
    };
    this.#tellLeftOut(view);
    const named = await this.#resolvConf?.read(dnsServersOf(this.#config, this.#lasting));
    if (named?.ok === false) return named;
    const inputs = inputsOf(view, this.#config, this.#lasting, named?.value.servers);
    this.#problemCount = inputs.problems.length;
    return { ok: true, value: { ...inputs, problems: [...inputs.problems, ...(named?.value.problems ?? [])] } };
  }

  warnings(): readonly string[] {
    const view = this.#cluster.view();
    return [
      ...(view.isStale ? ['the API server does not answer: pods and policies are as they were last'] : []),
      ...(view.dnsEndpoints.length === 0 ? [`no endpoint of ${serviceName(this.#config)} is ready`] : []),
      ...(this.#problemCount > 0 ? [`problems of policies or of the cluster, ${this.#problemCount}: see the log`] : []),
      ...(this.#resolvConf?.warnings() ?? []),
    ];
  }

  close(): void {
    this.#cluster.close();
    this.#resolvConf?.close();
  }

  /** Those that have ended are ordinary; the others run and are not enforced. */
  #tellLeftOut({ leftOut }: ClusterView): void {
    const running = leftOut.filter(({ reason }) => reason !== 'terminal');
    const text = JSON.stringify(running);
    if (text === this.#leftOut) return;
    this.#leftOut = text;
    const podsOf = (reason: string): string[] => running.flatMap((each) => (each.reason === reason ? [each.pod] : []));
    this.#log.info(
      { hostNetwork: podsOf('host-network'), addressShared: podsOf('address-shared') },
      'Pods that are not enforced: they use the network of the node, or an address that another pod has, too',
    );
  }
}

/** `named` are the servers of the file that `upstreams` may be. */
export function inputsOf(
  view: ClusterView,
  config: NodeConfig,
  lasting: Lasting,
  named: readonly Endpoint[] = [],
): Inputs {
  const { kubernetes } = config;
  const dnsServers = dnsServersOf(config, lasting);
  const podRanges = kubernetes.podRanges === 'node' ? lasting.podRanges : kubernetes.podRanges;
  const isOwn = ({ address, port }: Endpoint): boolean =>
    port === DNS_PORT && dnsServers.includes(formatAddress(address));
  const endpoints = byPreference(
    view.dnsEndpoints.filter((endpoint) => !isOwn(endpoint)),
    kubernetes.nodeName,
  );
  const guarded = guardedRanges(view, config, podRanges);
  return {
    pods: view.pods,
    knowsAllPods: false,
    nodes: undefined,
    services: undefined,
    areDnsServersInside: true,
    podsAt: `Node ${kubernetes.nodeName}`,
    policies: enforced(view.policies, config.enforce).policies,
    dnsServers,
    zones: zonesOf(config, endpoints, named),
    guardedRanges: guarded.ranges,
    protectedRanges: [
      ...podRanges.map((cidr): ProtectedRange => ({ cidr, reason: 'pod-range' })),
      ...dnsServers.map((cidr): ProtectedRange => ({ cidr, reason: 'service-address' })),
    ],
    problems: [
      ...view.problems,
      ...view.dnsEndpoints.filter(isOwn).map((endpoint) => ownListener(endpoint, config)),
      ...guarded.problems,
    ],
  };
}

function dnsServersOf(config: NodeConfig, lasting: Lasting): readonly string[] {
  return (config.dnsServers === 'cluster' ? lasting.dnsServers : config.dnsServers).toSorted();
}

/** What the configuration says of a zone stands before what the cluster says of it. */
function zonesOf(
  { zones, upstreams, kubernetes }: NodeConfig,
  endpoints: readonly Endpoint[],
  named: readonly Endpoint[],
): readonly UpstreamZone[] {
  const ofCluster = kubernetes.clusterZones.filter((zone) => zones.every((each) => each.zone !== zone));
  const listed = upstreams === 'cluster' ? endpoints : upstreams;
  return [
    ...zones,
    ...ofCluster.map((zone) => ({ zone, servers: endpoints })),
    { zone: '.', servers: 'file' in listed ? named : listed },
  ];
}

/** Each node begins with another endpoint, and with the same one after a restart: else all nodes would ask the first of the list. */
function byPreference(endpoints: readonly Endpoint[], nodeName: string): readonly Endpoint[] {
  const weightOf = ({ address, port }: Endpoint): string =>
    createHash('sha256')
      .update(`${nodeName} ${formatAddress(address)} ${port}`)
      .digest('hex');
  return endpoints
    .map((endpoint) => ({ endpoint, weight: weightOf(endpoint) }))
    .toSorted((a, b) => (a.weight < b.weight ? -1 : 1))
    .map(({ endpoint }) => endpoint);
}

/**
 * The ranges of the Node only where the network plugin takes addresses from them. One that does not (Calico gives each node blocks of its
 * own, AWS addresses of the VPC) may give an address in them to a pod of another node, whose packets to here must pass.
 */
function guardedRanges(
  { pods }: ClusterView,
  { kubernetes }: NodeConfig,
  podRanges: readonly string[],
): { readonly ranges: readonly string[]; readonly problems: readonly Problem[] } {
  if (kubernetes.unknownPods === 'allow') return { ranges: [], problems: [] };
  if (kubernetes.podRanges !== 'node') return { ranges: podRanges, problems: [] };
  if (podRanges.length === 0) return { ranges: [], problems: [noRanges(kubernetes.nodeName)] };
  const matcher = new RangeMatcher(podRanges.map((cidr) => ({ cidr, reason: 'pod-range' })));
  const addresses = pods.flatMap((pod) => pod.addresses.flatMap((text) => parseAddress(text) ?? []));
  const outside = addresses.filter((address) => !matcher.includes(address, 0)).map((address) => familyOf(address));
  const families = ([4, 6] as const).filter((family) => outside.includes(family));
  return {
    ranges: podRanges.filter((cidr) => !families.includes(isIPv4Cidr(cidr) ? 4 : 6)),
    problems: families.map((family) => unguarded(family, kubernetes.nodeName)),
  };
}

function noRanges(nodeName: string): Problem {
  const message =
    'Cannot close unknown pods: the Node has no spec.podCIDRs; set kubernetes.podRanges to the ranges of this node alone, or unknownPods: allow';
  return { code: 'no-pod-range', at: `Node ${nodeName}`, message };
}

function unguarded(family: Family, nodeName: string): Problem {
  const message =
    `Cannot close unknown pods over IPv${family}: pods of this node have addresses outside spec.podCIDRs; ` +
    'set kubernetes.podRanges to the ranges of this node alone, or unknownPods: allow';
  return { code: 'pods-outside-range', at: `Node ${nodeName}`, message };
}

function ownListener({ address }: Endpoint, config: NodeConfig): Problem {
  const message = `Cannot ask endpoint ${formatAddress(address)}: namewall answers there, and would ask itself`;
  return { code: 'own-listener', at: `Service ${serviceName(config)}`, message };
}

function serviceName({ kubernetes: { dnsService } }: NodeConfig): string {
  return `${dnsService.namespace}/${dnsService.name}`;
}
