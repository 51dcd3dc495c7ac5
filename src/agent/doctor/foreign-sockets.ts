// Whether another process has a socket on an address and port that we serve: with SO_REUSEPORT the kernel deals queries
// to both (V19).
import { DNS_PORT } from '../config-dns.ts';
import type { Check, Fault } from './finding.ts';
import { ok, worst } from './finding.ts';
import { nameOf, ownersOf, socketsOf, UNSEEN } from './sockets.ts';
import type { Owner, Socket } from './sockets.ts';

const CHECK = 'foreign-sockets';
const NODE_LOCAL_DNS = /(?:^|\/)node-cache\b/;

export const foreignSockets: Check = async (context) => {
  const { files } = context;
  const servers = await context.dnsServers();
  if (servers.length === 0) return ok(CHECK, 'no DNS server is known');
  const agent = await context.agent();
  const agentPid = context.options.ownPid ?? agent?.pid;
  const sockets = await socketsOf(files, DNS_PORT, servers);
  const inodes = sockets.map(({ inode }) => inode);
  const owners = await ownersOf(files, inodes, agentPid);
  const faults: Fault[] = [];
  const ofAgent = new Set<string>();
  for (const socket of sockets) {
    const owner = owners.get(socket.inode) ?? UNSEEN;
    const place = `${socket.protocol} ${socket.address}`;
    // The agent has one of each: where owners cannot be seen, a second one is another's.
    if (!isOurs(owner, agent, agentPid) || ofAgent.has(place)) faults.push(faultOf(socket, servers, owner));
    else ofAgent.add(place);
  }
  return worst(CHECK, faults, `nobody else listens on ${servers.map((server) => at(server)).join(', ')}`);
};

/** An agent that cannot be seen, in a container beside us, has sockets whose owner cannot be seen. */
function isOurs(owner: Owner, agent: Owner | undefined, agentPid: number | undefined): boolean {
  if (agentPid !== undefined) return owner.pid === agentPid;
  return agent !== undefined && owner.pid === undefined;
}

function faultOf({ protocol, address }: Socket, servers: readonly string[], owner: Owner): Fault {
  const found = `${nameOf(owner)} listens on ${at(address)}/${protocol}`;
  const mend =
    owner.pid === undefined ? `ss -lnp 'sport = :${DNS_PORT}' on the node says who; stop it` : `kill ${owner.pid}`;
  if (!servers.includes(address)) {
    const why = 'our sockets go before it while the agent runs; do not rely on it for DNS servers’ addresses';
    return { status: 'warn', found, why, mend: `have it listen on its own addresses only, or ${mend}` };
  }
  const why =
    'queries that the kernel deals to it are answered without policy, grant and audit, or the agent cannot start';
  const isNodeLocal = NODE_LOCAL_DNS.test(owner.command);
  return { status: 'fail', found: isNodeLocal ? `${found} (NodeLocal DNSCache)` : found, why, mend };
}

function at(address: string): string {
  return address.includes(':') ? `[${address}]:${DNS_PORT}` : `${address}:${DNS_PORT}`;
}
