// The cluster's DNS as its Service and EndpointSlices describe it: what pods ask, and who answers behind it. Queries go to the endpoints
// directly, never through the Service, because conntrack would pin a long-lived socket to one of them.
import { canonicalAddress, parseAddress } from '../base/ip.ts';
import type { Endpoint } from '../sys/sys.ts';
import type { EndpointSliceObject, NodeObject, ServiceObject } from './objects.ts';

const DNS_PORT = 53;

export interface DnsService {
  /** Canonical text, sorted. */
  readonly servers: readonly string[];
  readonly endpoints: readonly Endpoint[];
  /** Why one of the two is empty; empty when neither is. */
  readonly problem: string;
}

export function readDnsService(service: ServiceObject | undefined, slices: readonly EndpointSliceObject[]): DnsService {
  const none = (problem: string): DnsService => ({ servers: [], endpoints: [], problem });
  if (service === undefined) return none('it is missing');
  const port = service.spec.ports.find((each) => each.port === DNS_PORT && each.protocol === 'UDP');
  if (port === undefined) return none('it has no UDP port 53');
  const addresses = service.spec.clusterIPs.flatMap((text) => canonicalAddress(text) ?? []); // "None" is none
  const servers = [...new Set(addresses)].toSorted();
  if (servers.length === 0) return none('it has no cluster IP (a headless Service cannot be intercepted)');
  const endpoints = readyEndpoints(slices, port.name);
  return { servers, endpoints, problem: endpoints.length === 0 ? 'it has no ready endpoint' : '' };
}

/** A slice's port carries the name of the Service's port; its number is the pod's own (targetPort). */
function readyEndpoints(slices: readonly EndpointSliceObject[], portName: string): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const { endpoints, ports } of slices) {
    const named = ports.filter(({ name, protocol, port }) => name === portName && protocol === 'UDP' && port > 0);
    for (const endpoint of endpoints) {
      if (!endpoint.conditions.ready) continue;
      for (const text of endpoint.addresses) {
        const address = parseAddress(text); // a name, in a slice of addressType FQDN, is none
        if (address === undefined) continue;
        for (const { port } of named) found.set(`${canonicalAddress(text)} ${port}`, { address, port });
      }
    }
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** Where the pods of a node have their addresses, as the node's IPAM was told; empty where the CNI hands them out in its own way. */
export function readPodRanges(node: NodeObject | undefined): readonly string[] {
  return (node?.spec.podCIDRs ?? []).flatMap((text) => canonicalRange(text) ?? []);
}

function canonicalRange(text: string): string | undefined {
  const [prefix = '', length = '', ...rest] = text.split('/');
  const address = canonicalAddress(prefix);
  const bits = Number(length);
  const isLength = length !== '' && Number.isInteger(bits) && bits >= 0 && bits <= (address?.includes(':') ? 128 : 32);
  return address === undefined || !isLength || rest.length > 0 ? undefined : `${address}/${bits}`;
}
