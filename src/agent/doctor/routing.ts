// Whether intercepted packets are routed to our sockets: rules of others before ours, foreign routes in our table,
// reverse-path checks (V20).
import { isIPv6 } from 'node:net';
import type { DoctorContext } from './context.ts';
import type { Check, Fault } from './finding.ts';
import { ok, worst } from './finding.ts';
import { policyRulesOf, routeOf } from './ip-listing.ts';
import type { PolicyRule } from './ip-listing.ts';
import { readNumber } from './proc-files.ts';

/** Of the rule of kernel/routes.ts. */
const PREFERENCE = 100;
/** Where a rule that stands before ours may go instead: behind it, before the kernel's own. */
const BEHIND = 150;
const TABLE_LOCAL = 255;
/** Routes asked of the kernel: one client of each device and family is as good as all. */
const MOST_ASKED = 4;
const SETTINGS = '/proc/sys/net/ipv4';
const UNDELIVERED = 'the kernel does not deliver intercepted queries to our sockets: DNS of these clients is dead';

export const routing: Check = async (context) => {
  const { mark, run } = context;
  const { routingTable } = context.options;
  const rules = await policyRulesOf(run);
  const isOurs = (rule: PolicyRule): boolean => isOurRule(rule, mark, routingTable);
  const faults = (await context.agent()) === undefined ? [] : await missing(context, rules.filter(isOurs));
  if (faults.length === 0 && !rules.some(isOurs)) return ok('routing', 'no rule of ours: nothing is intercepted');
  const ahead = ([4, 6] as const).flatMap((family) => {
    const list = rules.filter((rule) => rule.family === family);
    const place = list.findIndex(isOurs);
    return list.slice(0, Math.max(place, 0)).filter((rule) => catches(rule, mark));
  });
  const refused = await refusedRoutes(context);
  for (const found of refused) {
    const mend = ahead.map(moved).join(' && ') || reversePathMend(found);
    faults.push({ status: 'fail', found, why: UNDELIVERED, mend });
  }
  for (const rule of ahead) {
    faults.push({
      status: 'warn',
      found: `rule "${rule.preference}: ${rule.selector}" (IPv${rule.family}) stands before ours`,
      why: 'it takes queries that we intercept wherever its table has a route for them',
      mend: moved(rule),
    });
  }
  return worst('routing', faults, `nothing takes packets with mark ${hex(mark)} before our rule`);
};

/**
 * Our table holds local routes to DNS servers and nothing else: `local default` would swallow reverse-path look-ups
 * that honour marks.
 */
export const reversePath: Check = async (context) => {
  const { routingTable } = context.options;
  const foreign = (await context.routes()).filter(
    ({ type, destination }) => type !== 'local' || destination === 'default' || destination.includes('/'),
  );
  const faults = foreign.map(({ family, type, destination }): Fault => ({
    status: 'fail',
    found: `"${type} ${destination}" stands in our routing table ${routingTable}`,
    why: 'reverse-path checks that honour marks (src_valid_mark, Calico’s rpfilter) then drop what we intercept',
    mend: `ip -${family} route del ${type} ${destination} table ${routingTable}`,
  }));
  const values = await Promise.all(
    ['conf/all/rp_filter', 'conf/all/src_valid_mark', 'tcp_fwmark_accept'].map(async (key) => {
      const value = await readNumber(context.files, `${SETTINGS}/${key}`);
      return `${key.split('/').at(-1)}=${value ?? 'none'}`;
    }),
  );
  return worst('reverse-path', faults, `${values.join(', ')}: fits, our table routes DNS servers only`);
};

function isOurRule({ selector }: PolicyRule, mark: number, table: number): boolean {
  const word = hex(mark);
  return selector === `from all fwmark ${word}/${word} lookup ${table}`;
}

/** What an agent that runs has made at its start (kernel/routes.ts), and somebody took away. */
async function missing(context: DoctorContext, ours: readonly PolicyRule[]): Promise<Fault[]> {
  const { mark } = context;
  const { routingTable } = context.options;
  const routes = (await context.routes()).map(({ destination }) => destination);
  const faults: Fault[] = [];
  for (const server of await context.dnsServers()) {
    const family = isIPv6(server) ? 6 : 4;
    const route = `local ${server} dev lo table ${routingTable}`;
    const rule = `pref ${PREFERENCE} fwmark ${hex(mark)}/${hex(mark)} lookup ${routingTable}`;
    const commands = [
      ...(ours.some((each) => each.family === family) ? [] : [`ip -${family} rule add ${rule}`]),
      ...(routes.includes(server) ? [] : [`ip -${family} route add ${route}`]),
    ];
    if (commands.length === 0) continue;
    const found = `rule or route for ${server} is gone`;
    faults.push({ status: 'fail', found, why: UNDELIVERED, mend: commands.join(' && ') });
  }
  return faults;
}

/** Whether the rule applies to a packet of a client that carries our mark and no other. */
function catches({ selector }: PolicyRule, mark: number): boolean {
  if (new RegExp(`\\blookup ${TABLE_LOCAL}\\b`).test(selector)) return false;
  if (/\b(?:oif|iif lo)\b/.test(selector)) return false;
  const [, value, mask] = /\bfwmark (0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?/.exec(selector) ?? [];
  if (value === undefined) return true;
  const matches = ((mark ^ Number(value)) & Number(mask ?? 0xffffffff)) === 0;
  return matches !== selector.startsWith('not ');
}

/** What the kernel itself says about some clients and servers, once routes are there. */
async function refusedRoutes(context: DoctorContext): Promise<string[]> {
  const refused: string[] = [];
  const servers = (await context.routes()).filter(({ type }) => type === 'local').map(({ destination }) => destination);
  const clients = await context.clients();
  const asked = new Map(clients.map((client) => [`${client.device} ${isIPv6(client.address)}`, client]));
  for (const client of [...asked.values()].slice(0, MOST_ASKED)) {
    const server = servers.find((address) => isIPv6(address) === isIPv6(client.address));
    if (server === undefined) continue;
    const outcome = await routeOf(context.run, server, client, context.mark);
    if (outcome !== 'local') refused.push(`${client.address} on ${client.device} to ${server}: ${outcome}`);
  }
  return refused;
}

function moved({ family, preference, selector }: PolicyRule): string {
  const rule = (pref: number): string => `pref ${pref} ${selector}`;
  return `ip -${family} rule add ${rule(BEHIND)} && ip -${family} rule del ${rule(preference)}`;
}

/** EXDEV is how the kernel says that the way back leads elsewhere (ip_route_input of Linux). */
function reversePathMend(found: string): string {
  const device = / on (\S+) to /.exec(found)?.[1] ?? 'DEVICE';
  if (found.includes('Invalid cross-device link')) return `sysctl -w net.ipv4.conf.${device}.rp_filter=2`;
  return `look at "ip rule" and "ip route show table all"; rules before ${PREFERENCE} are asked first`;
}

function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}
