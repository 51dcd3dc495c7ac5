// How a message gets to the loop, the one place that knows: datagrams through the simulated network. A stream would be written and read here, and
// tell the ledger of whole messages (Ledger.left).
import { endpoint } from '../support/scenario-node.ts';
import type { World } from '../support/scenario-world.ts';
import type { Asked } from './oracle/ledger.ts';
import { SERVERS } from './oracle/node.ts';

const DNS_PORT = 53;
/** What the loop takes at most of a datagram (plane.ts): the kernel cuts the rest off. */
const MOST_BYTES = { fromClient: 2048, fromUpstream: 4096 };

/** What arrives of a message of this client, or of this server. */
export function cutForClient(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, MOST_BYTES.fromClient);
}

export function cutForUpstream(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, MOST_BYTES.fromUpstream);
}

/** A client at this address and port asks the server of its family. */
export function deliverToServer(world: World, client: string, port: number, bytes: Uint8Array): void {
  const server = SERVERS.find((each) => each.includes(':') === client.includes(':')) ?? '';
  world.sys.network.deliver(endpoint(client, port), endpoint(server, DNS_PORT), bytes);
}

/** The server that was asked answers to where it was asked from. False when nobody listens there any more. */
export function deliverToAsker(world: World, { server, from }: Asked, bytes: Uint8Array): boolean {
  return world.sys.network.deliver(server, { ...from, address: server.address }, bytes);
}
