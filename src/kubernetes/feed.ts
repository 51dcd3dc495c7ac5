// All sources of one node, each kept up to date by its own reflector, and read together: all of them or none.
import { Reflector, type ReflectorParts } from './reflector.ts';
import { sourcesOf, type ServiceName } from './sources.ts';
import type { ClusterObjects } from './view.ts';

export class Feed {
  readonly #reflectors: ReturnType<typeof reflectorsOf>;

  constructor(parts: ReflectorParts, nodeName: string, dnsService: ServiceName) {
    this.#reflectors = reflectorsOf(parts, nodeName, dnsService);
  }

  /** Until `signal` aborts. Rejects for our own bugs only. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(Object.values(this.#reflectors).map((reflector) => reflector.run(signal)));
  }

  /** Undefined until every source was listed once: what a part of them means, nobody can say. */
  objects(): ClusterObjects | undefined {
    const { pods, namespaces, nodes, services, slices, policies, clusterPolicies } = this.#reflectors;
    if (!Object.values(this.#reflectors).every(({ isListed }) => isListed)) return undefined;
    return {
      pods: pods.seen(),
      namespaces: namespaces.objects(),
      nodes: nodes.objects(),
      services: services.objects(),
      slices: slices.objects(),
      policies: policies.objects(),
      clusterPolicies: clusterPolicies.objects(),
    };
  }

  /** When the source heard from the API server that has waited longest. */
  get lastHeardMs(): number {
    return Math.min(...Object.values(this.#reflectors).map(({ lastHeardMs }) => lastHeardMs));
  }
}

function reflectorsOf(parts: ReflectorParts, nodeName: string, dnsService: ServiceName) {
  const sources = sourcesOf(nodeName, dnsService);
  return {
    pods: new Reflector(sources.pods, parts),
    namespaces: new Reflector(sources.namespaces, parts),
    nodes: new Reflector(sources.nodes, parts),
    services: new Reflector(sources.services, parts),
    slices: new Reflector(sources.slices, parts),
    policies: new Reflector(sources.policies, parts),
    clusterPolicies: new Reflector(sources.clusterPolicies, parts),
  };
}
