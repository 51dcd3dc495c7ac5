// Stage 2: source address → pod. The kernel has already dropped what did not come from the pod's own interface (I10).
import type { Plane } from './plane.ts';
import { NO_POD } from './state/pod-table.ts';

/** Whose datagram `i` of plane.queries is: the index of a pod, or NO_POD. Its address stands in plane.peer afterwards. */
export function senderOf({ queries, pods, peer }: Plane, i: number): number {
  queries.readPeerAddress(i, peer, 0);
  return pods.find(peer, 0);
}

/** The same of the connection `stream`. */
export function ownerOf({ clients, pods, peer }: Plane, stream: number): number {
  for (let b = 0; b < peer.length; b++) peer[b] = clients.address[stream * peer.length + b]!;
  return pods.find(peer, 0);
}

/** False when no pod has this address: the query is refused, since whose policy should allow it? */
export function identify(plane: Plane, slot: number): boolean {
  const { slots, pods } = plane;
  const pod = pods.find(slots.clientAddress, slot * 16);
  slots.pod[slot] = pod;
  slots.podId[slot] = pod === NO_POD ? 0 : pods.ids[pod]!;
  return pod !== NO_POD;
}
