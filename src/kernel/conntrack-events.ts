// The kernel's events of connections that begin and end, read on a timer. What it could not hand over is told as loss, never passed over.
import type { Sys } from '../sys/sys.ts';
import { NFNL_SUBSYS_CTNETLINK, readFlow } from './conntrack-flow.ts';
import type { Flow } from './conntrack-flow.ts';
import { NetlinkClient } from './netlink-client.ts';

const IPCTNL_MSG_CT_NEW = (NFNL_SUBSYS_CTNETLINK << 8) | 0;
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
const NFNLGRP_CONNTRACK_NEW = 1;
const NFNLGRP_CONNTRACK_DESTROY = 3;

export type VisitFlow = (kind: 'new' | 'destroyed', flow: Flow) => void;

/**
 * `new` comes when the first packet of a connection has passed every chain: one that is dropped or rejected makes none. A connection from
 * before the socket has no events, not even at its end, where net.netfilter.nf_conntrack_events is 2 (Linux 5.19 on, the default).
 */
export class ConntrackEvents {
  readonly #client: NetlinkClient;

  private constructor(client: NetlinkClient) {
    this.#client = client;
  }

  /** `bufferBytes` hold what comes between one `read` and the next: 4 MiB 6,500 events. Its memory is for the life of the process. Throws SysError. */
  static open(sys: Sys, bufferBytes: number): ConntrackEvents {
    const client = NetlinkClient.open(sys, bufferBytes);
    client.join(NFNLGRP_CONNTRACK_NEW);
    client.join(NFNLGRP_CONNTRACK_DESTROY);
    return new ConntrackEvents(client);
  }

  /**
   * Reads what has come, at most `limit` events; as many as that mean that there may be more. Lossy: the buffer was full, and nobody knows how
   * many did not fit. Throws KernelError when the socket is of no use any more.
   */
  read(visit: VisitFlow, limit: number): { events: number; isLossy: boolean } {
    const seen = { events: 0, isLossy: false };
    while (seen.events < limit) {
      const came = this.#client.receive((type, family, attributes) => {
        if (type !== IPCTNL_MSG_CT_NEW && type !== IPCTNL_MSG_CT_DELETE) return;
        const flow = readFlow(family, attributes);
        if (flow === undefined) return;
        seen.events++;
        visit(type === IPCTNL_MSG_CT_NEW ? 'new' : 'destroyed', flow);
      });
      if (came === 'nothing') break;
      if (came === 'loss') seen.isLossy = true;
    }
    return seen;
  }

  close(): void {
    this.#client.close();
  }
}
