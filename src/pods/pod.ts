// A client whose egress namewall judges: a pod, a container, a VM, a namespace.

export interface Pod {
  /** Identity over time (I10): the same name with another uid is another pod. From files: `namespace/name` unless given. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Labels of the namespace that it lives in; undefined where nobody knows them: then no requirement about them holds. */
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  /** Canonical text (base/ip.ts), IPv4 and IPv6. Never empty, never shared with another pod. */
  readonly addresses: readonly string[];
  /** Host-side interface of its link, perhaps a port of a bridge. When given, the kernel drops packets of these addresses from any other. */
  readonly interface?: string;
  /** Container ports that have a name; absent: none. */
  readonly ports?: readonly NamedContainerPort[];
  /** Its own MAC address, `02:00:00:00:00:07`: behind a bridge nothing else may send with these addresses. */
  readonly mac?: string;
}

/** A port that policies may call by its name. */
export interface NamedContainerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

/** A node of the cluster; on a host, whatever its clients file lists. */
export interface Node {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Canonical text. */
  readonly addresses: readonly string[];
  /** It is the one whose pods are judged. */
  readonly isLocal: boolean;
}

/** A Service: the pods that `selector` selects in its namespace, or the addresses that are listed for it. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly selector?: Readonly<Record<string, string>>;
  /** Canonical text. */
  readonly addresses: readonly string[];
}
