// The kernel's table of connections: lists them and deletes some (ctnetlink). Never deletes more than the one connection that it is given.
import { AF_INET, AF_INET6 } from '../sys/packet-batch.ts';
import { ERRNO } from '../sys/sys.ts';
import type { Sys } from '../sys/sys.ts';
import { NFNL_SUBSYS_CTNETLINK, readFlow } from './conntrack-flow.ts';
import type { Flow } from './conntrack-flow.ts';
import { NetlinkClient, refusal, REQUESTS_BUFFER_BYTES } from './netlink-client.ts';
import type { RequestHead } from './netlink-client.ts';

const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
/** Family 0: both. */
const EVERYTHING: RequestHead = { type: IPCTNL_MSG_CT_GET, family: 0, resourceId: 0 };
/** Of those that the caller wants. The largest table that the kernel makes by itself (nf_conntrack_max). */
export const MAX_FLOWS = 262_144;
const DUMP_ATTEMPTS = 4;

export class Conntrack {
  readonly #client: NetlinkClient;

  private constructor(client: NetlinkClient) {
    this.#client = client;
  }

  /** Its memory is for the life of the process. Throws SysError. */
  static open(sys: Sys): Conntrack {
    return new Conntrack(NetlinkClient.open(sys, REQUESTS_BUFFER_BYTES));
  }

  /**
   * Every connection of both families that `match` answers true for. A listing that the kernel calls interrupted is made again, a few times; then
   * the last one counts. Takes 3 to 4 µs for each connection that the kernel has (20,000: 65 ms). MAX_FLOWS at most: whoever
   * deletes what it got finds the rest at the next call. Throws KernelError.
   */
  flows(match: (flow: Flow) => boolean): Flow[] {
    for (let attempt = 1; ; attempt++) {
      const found: Flow[] = [];
      const isWhole = this.#client.dump(EVERYTHING, (_type, family, attributes) => {
        const flow = readFlow(family, attributes);
        if (flow === undefined || !match(flow)) return;
        if (found.length < MAX_FLOWS) found.push(flow);
      });
      if (isWhole || attempt === DUMP_ATTEMPTS) return found;
    }
  }

  /**
   * Deletes this connection. How many went: 1, or 0 when it was gone already. A later one of the same tuple is spared, unless the kernel keeps
   * it at the very same place in memory: its id says no more. Without the `cut` sets the far end's next packet may make it again (V8). Throws
   * KernelError.
   */
  delete(flow: Flow): number {
    const family = flow.family === 4 ? AF_INET : AF_INET6;
    const errno = this.#client.change({ type: IPCTNL_MSG_CT_DELETE, family, resourceId: 0 }, (request) => {
      request.copy(flow.key, 0, flow.key.length); // without the tuple in it the kernel would delete every connection
    });
    if (errno === 0) return 1;
    if (errno === ERRNO.ENOENT) return 0;
    throw refusal(errno, 'Cannot delete a connection');
  }

  close(): void {
    this.#client.close();
  }
}
