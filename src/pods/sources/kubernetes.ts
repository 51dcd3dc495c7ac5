// Pods from the cluster: the Pod objects of one node and the labels of their namespaces → who has which address. Pure. Left out is
// whoever does not send from addresses of its own; in doubt nobody gets an address.
import { canonicalAddress, familyOf, parseAddress } from '../../base/ip.ts';
import type { NamespaceObject, PodObject } from '../../kubernetes/objects.ts';
import type { Pod } from '../pod.ts';

/** `arrival` grows with the order in which pods were first seen; pods of one list share it. */
export interface SeenPod {
  readonly object: PodObject;
  readonly arrival: number;
}

/**
 * `host-network`: it sends from the node's address, whose packets are nobody's in particular. `terminal`: it will never send again, although
 * its address stands in its status, perhaps beside a new owner's. `address-shared`: a newer pod has one of its addresses.
 */
export interface LeftOut {
  readonly pod: string;
  readonly reason: 'host-network' | 'terminal' | 'address-shared';
}

const TERMINAL = ['Succeeded', 'Failed'];

export function readPods(
  seen: readonly SeenPod[],
  namespaces: readonly NamespaceObject[],
  nodeName: string,
): { readonly pods: readonly Pod[]; readonly leftOut: readonly LeftOut[] } {
  const ours = seen.filter(({ object }) => object.spec.nodeName === nodeName).toSorted(byName);
  const claims = ours.flatMap(claimOf);
  const claimants = Map.groupBy(claims.flatMap(claimedAddresses), ({ address }) => address);
  const labels = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels]));
  const pods: Pod[] = [];
  const leftOut = ours.flatMap((each): LeftOut[] => {
    const reason = exemptionOf(each.object);
    return reason === undefined ? [] : [{ pod: nameOf(each), reason }];
  });
  for (const claim of claims) {
    const others = claim.addresses.flatMap((address) => claimants.get(address) ?? []);
    const isOwner = others.every((other) => other.claim === claim || isNewer(claim, other.claim));
    if (isOwner) pods.push(podOf(claim, labels));
    else leftOut.push({ pod: nameOf(claim), reason: 'address-shared' });
  }
  return { pods, leftOut };
}

/** Why the pod has no addresses of its own, whatever its status says. */
function exemptionOf({ spec, status }: PodObject): 'host-network' | 'terminal' | undefined {
  if (spec.hostNetwork) return 'host-network';
  return TERMINAL.includes(status.phase) ? 'terminal' : undefined;
}

interface Claim extends SeenPod {
  readonly addresses: readonly string[];
  /** NaN when the object does not say. */
  readonly createdMs: number;
}

function claimOf(seen: SeenPod): Claim[] {
  const addresses = addressesOf(seen.object);
  if (addresses.length === 0 || exemptionOf(seen.object) !== undefined) return [];
  return [{ ...seen, addresses, createdMs: Date.parse(seen.object.metadata.creationTimestamp) }];
}

function podOf({ object: { metadata }, addresses }: Claim, labelsOf: ReadonlyMap<string, Pod['labels']>): Pod {
  const { uid, namespace = '', name, labels } = metadata;
  const namespaceLabels = labelsOf.get(namespace);
  return { uid, namespace, name, labels, ...(namespaceLabels === undefined ? {} : { namespaceLabels }), addresses };
}

function claimedAddresses(claim: Claim): { address: string; claim: Claim }[] {
  return claim.addresses.map((address) => ({ address, claim }));
}

/**
 * Two live pods with one address: the CNI gave it anew, and the event that ends the old pod is still to come. Timestamps have seconds;
 * within one second the order of arrival decides, and within one list nothing does: then neither is newer, and both are left out.
 */
function isNewer(a: Claim, b: Claim): boolean {
  return a.createdMs > b.createdMs || (a.createdMs === b.createdMs && a.arrival > b.arrival);
}

/** A pod that is being deleted still runs, and still has its addresses. */
function addressesOf({ status }: PodObject): string[] {
  return [...new Set(status.podIPs.flatMap(({ ip }) => podAddress(ip) ?? []))];
}

/** Canonical text of an address that a pod can have; undefined for loopback, unspecified, multicast, and what is no address. */
function podAddress(text: string): string | undefined {
  const bytes = parseAddress(text);
  if (bytes === undefined) return undefined;
  const first = bytes[familyOf(bytes) === 4 ? 12 : 0] ?? 0;
  const isUsable = familyOf(bytes) === 4 ? first !== 0 && first !== 127 && first < 224 : first !== 0 && first !== 0xff;
  return isUsable ? canonicalAddress(text) : undefined;
}

function nameOf({ object: { metadata } }: SeenPod): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function byName(a: SeenPod, b: SeenPod): number {
  return nameOf(a) < nameOf(b) ? -1 : 1;
}
