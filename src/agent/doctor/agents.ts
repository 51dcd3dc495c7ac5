// Whether one agent is in charge, and of a table that it can change: the lock, the table and its owner, and what the
// agent says of itself.
import { TABLE } from '../../kernel/nft-text.ts';
import { DNS_PORT } from '../config-dns.ts';
import type { DoctorContext } from './context.ts';
import type { Check, Fault } from './finding.ts';
import { ok, worst } from './finding.ts';
import { nameOf, ownersOf, socketsOf } from './sockets.ts';
import type { Owner } from './sockets.ts';

const NO_AGENT = 'no agent runs in this network namespace';
/** Where the product stands or falls: a table without them enforces nothing. */
const HOOKS = ['prerouting', 'forward'] as const;

/** Who holds the lock (agent/lock.ts) must be the one that serves. */
export const oneAgent: Check = async (context) => {
  const holder = await context.agent();
  if (holder === undefined) return ok('one-agent', NO_AGENT);
  const { ownPid } = context.options;
  const isOther = ownPid === undefined ? await servesNothing(context, holder) : holder.pid !== ownPid;
  const fault: Fault = {
    status: 'fail',
    found: `${nameOf(holder)} holds the lock and does not serve DNS`,
    why: 'another agent cannot start while it does; it starts just now, hangs, or is no agent',
    mend:
      holder.pid === undefined ? `ss -lxp 'src @namewall/agent' on the node says who; stop it` : `kill ${holder.pid}`,
  };
  return worst('one-agent', isOther ? [fault] : [], nameOf(holder));
};

/** False where it cannot be known. */
async function servesNothing(context: DoctorContext, { pid }: Owner): Promise<boolean> {
  const servers = await context.dnsServers();
  if (pid === undefined || servers.length === 0) return false;
  const sockets = await socketsOf(context.files, DNS_PORT, servers);
  const served = sockets.filter(({ address }) => servers.includes(address)).map(({ inode }) => inode);
  const owners = await ownersOf(context.files, served, pid);
  return ![...owners.values()].some((owner) => owner.pid === pid);
}

export const table: Check = async (context) => {
  const { tables, chains } = await context.listing();
  const ours = tables.find(({ family, name }) => family === 'inet' && name === TABLE);
  const isServed = (await context.agent()) !== undefined;
  if (ours === undefined && !isServed) return ok('table', `no table inet ${TABLE}, and no agent: nothing is enforced`);
  const hooks = chains.filter((chain) => chain.family === 'inet' && chain.table === TABLE).map(({ hook }) => hook);
  const faults: Fault[] = [];
  if (ours?.flags.includes('owner') === true) {
    faults.push({
      status: 'fail',
      found: `table inet ${TABLE} belongs to one process alone (flags ${ours.flags})`,
      why: 'the kernel refuses every change of ours, so no grant can be written',
      mend: `stop the process that made it ("nft -t list table inet ${TABLE}" says its name)`,
    });
  } else if (isServed && !HOOKS.every((hook) => hooks.includes(hook))) {
    faults.push({
      status: 'fail',
      found: ours === undefined ? `table inet ${TABLE} is gone` : `chains of table inet ${TABLE} are gone`,
      why: 'nothing is intercepted or filtered until the agent puts it back, which takes it less than a second',
      mend: 'restart the agent, and see who deletes it: nft monitor',
    });
  } else if (!isServed) {
    faults.push({
      status: 'warn',
      found: `table inet ${TABLE} is there, and ${NO_AGENT}`,
      why: 'policy is enforced and nothing new is granted: nobody answers DNS (whenDown decides about it)',
      mend: 'namewall run --config FILE, or to end enforcement: namewall run --cleanup',
    });
  }
  return worst('table', faults, `table inet ${TABLE} hooks ${HOOKS.join(' and ')}`);
};

/** What `namewall probe ready` says. */
export const readiness: Check = async (context) => {
  const { health } = context.options;
  if (health === undefined || (await context.agent()) === undefined) return ok('readiness', 'no agent to ask');
  const status = await health().catch((error: unknown) => String(error));
  const faults: Fault[] = [];
  if (typeof status === 'string') {
    faults.push({
      status: 'warn',
      found: `the agent does not answer: ${status}`,
      why: 'its readiness is not known',
      mend: 'see its log; "health" in the configuration names its socket',
    });
  } else {
    const why = 'the agent says so itself; README.md lists the reasons';
    const mend = 'see the agent’s log';
    if (!status.ready) faults.push({ status: 'fail', found: `not ready: ${status.reasons.join(', ')}`, why, mend });
    for (const warning of status.warnings) faults.push({ status: 'warn', found: warning, why, mend });
  }
  return worst('readiness', faults, 'ready');
};
