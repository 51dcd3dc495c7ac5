// What a policy is judged in: who lives where, what the pod did resolve, and what is asked. Plain data; nothing of src is in it.

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly string[];
  readonly ports?: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  }[];
}

export type Labels = Readonly<Record<string, string>>;

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly string[];
  /** The node that the judged pod lives on; its own addresses are `host`. */
  readonly isLocal: boolean;
}

/** Pods by `selector`, in its own namespace, or else `addresses`. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly selector?: Labels;
  readonly addresses?: readonly string[];
}

/** CIDRs that nothing opens by accident. */
export interface ProtectedRanges {
  /** Loopback, link-local, metadata: nothing that says "any" opens them. */
  readonly everywhere: readonly string[];
  /** Service range, node addresses, pod range as far as they are known: no name opens them. */
  readonly cluster: readonly string[];
  /** `protect:`: names open of them what an annotation says. */
  readonly configured: readonly string[];
}

export interface World {
  readonly pods: readonly Pod[];
  /** One that is not listed has its name as label, as each has. */
  readonly namespaces: readonly { readonly name: string; readonly labels: Labels }[];
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  readonly dnsServers: readonly string[];
  readonly protectedRanges: ProtectedRanges;
}

export type Transport = 'udp' | 'tcp';

export interface Destination {
  readonly address: string;
  readonly protocol: Transport | 'sctp' | 'icmp' | 'icmpv6' | number;
  /** Of ICMP the type; 0 for what has neither. */
  readonly port: number;
  /** The address is the local node's own. */
  readonly isHost: boolean;
  /** What this pod resolved to that address, grants alive. */
  readonly names: readonly string[];
}

export type Question =
  | { readonly kind: 'connect'; readonly destination: Destination }
  | { readonly kind: 'ask'; readonly name: string; readonly transport: Transport };

export function namespaceLabels(world: World, name: string): Labels {
  const known = world.namespaces.find((each) => each.name === name);
  return { ...known?.labels, 'kubernetes.io/metadata.name': name };
}

/** Of a name as text; the root has none. */
export function labelsOf(name: string): string[] {
  return name
    .replace(/\.$/, '')
    .split('.')
    .filter((label) => label !== '');
}
