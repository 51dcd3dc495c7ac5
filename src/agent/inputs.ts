// What the agent enforces, wherever it comes from: files on a host, the API server on a node. From here on nobody asks which it is.
import type { Parsed, Problem } from '../base/errors.ts';
import type { UpstreamZone } from '../datapath/settings.ts';
import { kernelRanges } from '../kernel/opened-ranges.ts';
import { CONFIGURED } from '../kernel/protected.ts';
import type { ExtraRanges, ProtectedRange } from '../kernel/protected.ts';
import type { Node, Pod, Service } from '../pods/pod.ts';
import type { Policy } from '../policy/policy.ts';
import type { Config } from './config.ts';

export interface Inputs {
  readonly pods: readonly Pod[];
  /** Where they are listed, for messages. */
  readonly podsAt: string;
  /** False: there are pods that are not listed, on other nodes. Then no selector of a policy can stand for the addresses of its pods. */
  readonly knowsAllPods: boolean;
  /** Undefined: nobody knows them. */
  readonly nodes: readonly Node[] | undefined;
  readonly services: readonly Service[] | undefined;
  readonly policies: readonly Policy[];
  /** Addresses that pods ask, canonical text; empty while nobody knows them. */
  readonly dnsServers: readonly string[];
  /** Of the namespace that the cluster's DNS is in, where somebody lists them. */
  readonly dnsNamespaceLabels?: Readonly<Record<string, string>>;
  /** They are pods of the cluster. */
  readonly areDnsServersInside: boolean;
  readonly zones: readonly UpstreamZone[];
  /** CIDRs in which an address that no pod of `pods` has may send nothing. */
  readonly guardedRanges: readonly string[];
  /** Never granted, besides what is everywhere and what the configuration protects. */
  readonly protectedRanges: readonly ProtectedRange[];
  /** What is wrong while all of the above holds: whatever was refused is closed, or stands as it was before. */
  readonly problems: readonly Problem[];
}

/** Two of them: FileSource and ClusterSource. */
export interface InputSource {
  /** The inputs as they are now; problems when they cannot be used at all, and then the last ones stay in force. */
  read(): Promise<Parsed<Inputs>>;
  /** What is wrong with the source itself, at this moment. */
  warnings(): readonly string[];
  close(): void;
}

/** Equal for inputs that need no change of rules, grants or verdicts. */
export function fingerprintOf({ pods, nodes, services, dnsNamespaceLabels, policies, guardedRanges }: Inputs): string {
  return JSON.stringify([pods, nodes, services, dnsNamespaceLabels, policies, guardedRanges]);
}

/** What the data plane is told once: addresses to listen on, ranges never to grant. Another one takes another start. */
export function fixedOf({ dnsServers, protectedRanges }: Inputs): string {
  return JSON.stringify({ dnsServers, neverGranted: protectedRanges.map(({ cidr }) => cidr) });
}

/** What the configuration closes, and what the cluster is known to have. */
export function extraRanges({ protect }: Pick<Config, 'protect'>, { protectedRanges: ofCluster }: Inputs): ExtraRanges {
  const configured = protect.cidrs.map((cidr) => ({ cidr, reason: CONFIGURED }));
  return { protect: protect.ranges, cidrs: [...configured, ...ofCluster] };
}

/** What no grant opens in the kernel: all of that, but for what internal zones and rules (`answerRanges`) open for some names. */
export function closedInKernel(
  config: Pick<Config, 'protect' | 'internalZones'>,
  inputs: Inputs,
  answerRanges: readonly string[] = [],
): readonly ProtectedRange[] {
  const opened = [...config.internalZones.flatMap(({ ranges }) => ranges), ...answerRanges];
  return kernelRanges(extraRanges(config, inputs), opened);
}
