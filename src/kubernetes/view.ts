// The objects of all sources → what the agent works with. Pure but for the history of policies; whoever calls it has a complete set.
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../base/errors.ts';
import type { Pod } from '../pods/pod.ts';
import { readPods, type LeftOut, type SeenPod } from '../pods/sources/kubernetes.ts';
import type { Policy } from '../policy/policy.ts';
import { closeNamespaces, type PolicyHistory } from '../policy/sources/kubernetes.ts';
import type { Endpoint } from '../sys/sys.ts';
import { readDnsService, readPodRanges } from './dns-service.ts';
import type {
  EndpointSliceObject,
  KubernetesObject,
  NamespaceObject,
  NodeObject,
  PolicyObject,
  ServiceObject,
} from './objects.ts';
import type { ServiceName } from './sources.ts';

/** One complete set; the names are those of sourcesOf. */
export interface ClusterObjects {
  readonly pods: readonly SeenPod[];
  readonly namespaces: readonly NamespaceObject[];
  readonly nodes: readonly NodeObject[];
  readonly services: readonly ServiceObject[];
  readonly slices: readonly EndpointSliceObject[];
  readonly policies: readonly PolicyObject[];
  readonly clusterPolicies: readonly PolicyObject[];
}

/** What the agent in mode node knows of the cluster. */
export interface ClusterView {
  /** Of this node, with addresses of their own. */
  readonly pods: readonly Pod[];
  readonly leftOut: readonly LeftOut[];
  /** One for each object: a refused one stands as its last good version, or as one that allows nothing to the pods it selects. */
  readonly policies: readonly Policy[];
  /** Of refused policies, and of namespaces that are not known; `at` is `KIND NAMESPACE/NAME`, and the JSON path after a colon. */
  readonly problems: readonly Problem[];
  /** Cluster IPs of the DNS Service, canonical text, both families. */
  readonly dnsServers: readonly string[];
  /** Its ready endpoints, with the port of the pod. */
  readonly dnsEndpoints: readonly Endpoint[];
  /** spec.podCIDRs of this node. */
  readonly podRanges: readonly string[];
  /** Some source has not heard from the API server for STALE_AFTER_MS, or the last state stands in for all. */
  readonly isStale: boolean;
}

type Facts = Omit<ClusterView, 'isStale'>;

export interface Described {
  readonly facts: Facts;
  /** What is wrong with the DNS Service; empty when nothing is. */
  readonly dnsProblem: string;
}

export function describe(
  objects: ClusterObjects,
  history: PolicyHistory,
  nodeName: string,
  service: ServiceName,
): Described {
  const { pods, leftOut } = readPods(objects.pods, objects.namespaces, nodeName);
  const judged = history.judge([...objects.policies, ...objects.clusterPolicies]);
  const stray = pods.filter(({ namespaceLabels }) => namespaceLabels === undefined).map(({ namespace }) => namespace);
  const closed = closeNamespaces([...new Set(stray)]);
  const dns = readDnsService(named(objects.services, service.name), objects.slices);
  const podRanges = readPodRanges(named(objects.nodes, nodeName));
  const known = { dnsServers: dns.servers, dnsEndpoints: dns.endpoints, podRanges };
  const policies = [...judged.policies, ...closed.policies];
  const problems = [...judged.problems, ...closed.problems];
  return { facts: { pods, leftOut, policies, problems, ...known }, dnsProblem: dns.problem };
}

function named<T extends KubernetesObject>(objects: readonly T[], name: string): T | undefined {
  return objects.find(({ metadata }) => metadata.name === name);
}

/** Policies of objects that did not change are the same objects, so this is cheap. */
export function isSame(a: Facts, b: Facts): boolean {
  return isDeepStrictEqual(a, b);
}
