// What namewall reads of the cluster's objects, in their own shape: each function takes an object as the API server or the last state
// holds it, keeps the fields that somebody reads, and drops the rest, so that heartbeats and managed fields cost nothing.
import { fieldOf, isRecord, listOf, textMapOf, textOf, textsOf } from './json.ts';

export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    /** Missing where the kind belongs to no namespace. */
    readonly namespace?: string;
    readonly uid: string;
  };
}

interface Labelled extends KubernetesObject {
  readonly metadata: KubernetesObject['metadata'] & { readonly labels: Readonly<Record<string, string>> };
}

export interface PodObject extends Labelled {
  readonly metadata: Labelled['metadata'] & { readonly creationTimestamp: string };
  readonly spec: { readonly nodeName: string; readonly hostNetwork: boolean };
  readonly status: { readonly phase: string; readonly podIPs: readonly { readonly ip: string }[] };
}

export type NamespaceObject = Labelled;

export interface NodeObject extends KubernetesObject {
  readonly spec: { readonly podCIDRs: readonly string[] };
}

interface Port {
  /** Empty when the only port of a Service has none. */
  readonly name: string;
  readonly protocol: string;
  /** 0 when it is missing: then the slice opens every port, which names none. */
  readonly port: number;
}

export interface ServiceObject extends KubernetesObject {
  readonly spec: { readonly clusterIPs: readonly string[]; readonly ports: readonly Port[] };
}

export interface EndpointSliceObject extends KubernetesObject {
  readonly addressType: string;
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly conditions: { ready: boolean } }[];
  readonly ports: readonly Port[];
}

/** Any CiliumNetworkPolicy: its fields beside `metadata` are kept as they are, because the dialect must see what it does not know. */
export interface PolicyObject extends KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Undefined: not an object of that kind, or without name or uid. */
export type Keep<T> = (raw: unknown) => T | undefined;

const OUR_ANNOTATIONS = 'namewall.io/';
const MAX_DEPTH = 64; // the dialect refuses what is deeper than 32

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((child) => isDeeperThan(child, levels - 1));
}

export function keepPod(raw: unknown): PodObject | undefined {
  const metadata = metadataOf(raw);
  if (metadata === undefined) return undefined;
  const podIPs = listOf(fieldOf(raw, 'status', 'podIPs')).flatMap((item) => textOf(fieldOf(item, 'ip')) || []);
  const only = textOf(fieldOf(raw, 'status', 'podIP')); // set by kubelets that know of one address only
  const ips = podIPs.length === 0 && only !== '' ? [only] : podIPs;
  const creationTimestamp = textOf(fieldOf(raw, 'metadata', 'creationTimestamp'));
  const spec = {
    nodeName: textOf(fieldOf(raw, 'spec', 'nodeName')),
    hostNetwork: fieldOf(raw, 'spec', 'hostNetwork') === true,
  };
  const status = { phase: textOf(fieldOf(raw, 'status', 'phase')), podIPs: ips.map((ip) => ({ ip })) };
  return { metadata: { ...metadata, labels: labelsOf(raw), creationTimestamp }, spec, status };
}

export function keepNamespace(raw: unknown): NamespaceObject | undefined {
  const metadata = metadataOf(raw);
  return metadata && { metadata: { ...metadata, labels: labelsOf(raw) } };
}

export function keepNode(raw: unknown): NodeObject | undefined {
  const metadata = metadataOf(raw);
  const podCIDRs = textsOf(fieldOf(raw, 'spec', 'podCIDRs'));
  return metadata && { metadata, spec: { podCIDRs } };
}

export function keepService(raw: unknown): ServiceObject | undefined {
  const metadata = metadataOf(raw);
  const clusterIPs = textsOf(fieldOf(raw, 'spec', 'clusterIPs'));
  return metadata && { metadata, spec: { clusterIPs, ports: portsOf(fieldOf(raw, 'spec', 'ports')) } };
}

export function keepEndpointSlice(raw: unknown): EndpointSliceObject | undefined {
  const metadata = metadataOf(raw);
  const endpoints = listOf(fieldOf(raw, 'endpoints')).map((endpoint) => ({
    addresses: textsOf(fieldOf(endpoint, 'addresses')),
    conditions: { ready: fieldOf(endpoint, 'conditions', 'ready') !== false }, // the API: unknown counts as ready
  }));
  const addressType = textOf(fieldOf(raw, 'addressType'));
  return metadata && { metadata, addressType, endpoints, ports: portsOf(fieldOf(raw, 'ports')) };
}

/** Of the metadata only what the dialect judges: name, namespace, and the annotations that are addressed to namewall. */
export function keepPolicy(apiVersion: string, kind: string): Keep<PolicyObject> {
  return (raw) => {
    const metadata = metadataOf(raw);
    if (metadata === undefined || !isRecord(raw)) return undefined;
    const all = Object.entries(textMapOf(fieldOf(raw, 'metadata', 'annotations')));
    const annotations = Object.fromEntries(all.filter(([key]) => key.startsWith(OUR_ANNOTATIONS)));
    const { status: _written, ...rest } = raw; // by the server and by us: no part of what was asked for
    // Comparing recurses: what is nested thousands deep (JSON in Go allows 10,000) would overflow the stack. The dialect refuses a null spec.
    if (isDeeperThan(rest, MAX_DEPTH)) return { apiVersion, kind, metadata: { ...metadata, annotations }, spec: null };
    return { ...rest, apiVersion, kind, metadata: { ...metadata, annotations } };
  };
}

function metadataOf(raw: unknown): KubernetesObject['metadata'] | undefined {
  const name = textOf(fieldOf(raw, 'metadata', 'name'));
  const uid = textOf(fieldOf(raw, 'metadata', 'uid'));
  const namespace = textOf(fieldOf(raw, 'metadata', 'namespace'));
  if (name === '' || uid === '') return undefined;
  return { name, ...(namespace === '' ? {} : { namespace }), uid };
}

function labelsOf(raw: unknown): Readonly<Record<string, string>> {
  return textMapOf(fieldOf(raw, 'metadata', 'labels'));
}

function portsOf(ports: unknown): Port[] {
  return listOf(ports).map((item) => {
    const port = fieldOf(item, 'port');
    return {
      name: textOf(fieldOf(item, 'name')),
      protocol: textOf(fieldOf(item, 'protocol')) || 'TCP', // the API's default
      port: typeof port === 'number' ? port : 0,
    };
  });
}
