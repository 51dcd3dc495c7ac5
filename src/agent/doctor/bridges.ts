// Whether packets between ports of one bridge pass netfilter at all (V21): they do only with br_netfilter, and only
// while it is switched on.
import type { DoctorContext } from './context.ts';
import type { Check, Fault } from './finding.ts';
import { ok, worst } from './finding.ts';
import type { Link } from './ip-listing.ts';
import { readNumber } from './proc-files.ts';

const CHECK = 'bridges';
const SETTINGS = [
  { key: 'bridge-nf-call-iptables', family: 'v4' },
  { key: 'bridge-nf-call-ip6tables', family: 'v6' },
] as const;

export const bridges: Check = async (context) => {
  const links = await context.links();
  const withPorts = links.filter(({ kind, name }) => kind === 'bridge' && links.some(({ master }) => master === name));
  if (withPorts.length === 0) return ok(CHECK, 'no bridge with ports');
  const status = await severity(context, withPorts, links);
  if (status === undefined) return ok(CHECK, `no client is behind ${names(withPorts)}`);
  const faults: Fault[] = [];
  for (const { key, family } of SETTINGS) {
    const open = withPorts.filter(({ callsNetfilter }) => !callsNetfilter[family]);
    const value = await readNumber(context.files, `/proc/sys/net/bridge/${key}`);
    if (value === 1 || open.length === 0) continue;
    const isMissing = value === undefined;
    const setting = `sysctl -w net.bridge.${key}=1`;
    const all = SETTINGS.map((each) => `sysctl -w net.bridge.${each.key}=1`).join(' && ');
    faults.push({
      status,
      found: isMissing ? `${names(open)}: br_netfilter is not loaded` : `${names(open)}: net.bridge.${key} is ${value}`,
      why: 'what clients of one bridge send each other, or a DNS server on it, meets neither interception nor policy',
      mend: isMissing ? `modprobe br_netfilter && ${all}` : setting,
    });
    if (isMissing) break;
  }
  // One command for both: whoever mends the first only would be told of the second.
  const mends = [...new Set(faults.map(({ mend }) => mend))].join(' && ');
  return worst(
    CHECK,
    faults.map((fault) => ({ ...fault, mend: mends })),
    `${names(withPorts)}: br_netfilter is on for both families`,
  );
};

/**
 * Certain only where a client's address is reached through a bridge; a container host has bridges that are not our
 * clients'.
 */
async function severity(
  context: DoctorContext,
  withPorts: readonly Link[],
  links: readonly Link[],
): Promise<'fail' | 'warn' | undefined> {
  const clients = await context.clients();
  if (clients.length === 0) return 'warn';
  const isBridged = clients.some(({ device }) => {
    const master = links.find(({ name }) => name === device)?.master;
    return withPorts.some(({ name }) => name === device || name === master);
  });
  return isBridged ? 'fail' : undefined;
}

function names(bridgesFound: readonly Link[]): string {
  return bridgesFound.map(({ name }) => name).join(', ');
}
