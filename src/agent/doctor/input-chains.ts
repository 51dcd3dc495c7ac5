// Whether another program's rules drop the queries that we intercept: those pass the input hook, and a drop in any
// chain there wins over our accept. What the rules match is guessed at; watches.ts knows from what arrives.
import { TABLE } from '../../kernel/nft-text.ts';
import type { Check, Fault } from './finding.ts';
import { worst } from './finding.ts';
import { bareRule, NUMBER } from './nft-listing.ts';
import type { Chain } from './nft-listing.ts';

const ACCEPTS_MARK = new RegExp(`^(?:meta )?mark (?:and|&) ${NUMBER} == ${NUMBER} accept$`);
const CLOSES = /^(?:drop|reject\b.*)$/;
const CLOSES_DNS = /\b(?:udp|tcp|th) dport (?:53|\{ (?:[^}]*, )?53(?:, [^}]*)? \}) (?:drop|reject\b.*)$/;
const LEGACY = [
  { file: '/proc/net/ip_tables_names', program: 'iptables-legacy' },
  { file: '/proc/net/ip6_tables_names', program: 'ip6tables-legacy' },
] as const;
const WHY = 'queries are taken by our rules and do not reach our sockets: DNS of every client is dead';

export const inputChains: Check = async (context) => {
  const { mark, files } = context;
  const { chains } = await context.listing();
  const faults = chains.flatMap((chain) => faultsOf(chain, mark));
  for (const { file, program } of LEGACY) {
    const tables = ((await files.read(file)) ?? '').split('\n');
    if (!tables.includes('filter')) continue;
    faults.push({
      status: 'warn',
      found: `${program} has a filter table, which nft does not show`,
      why: `${WHY}, if its INPUT drops them`,
      mend: iptablesRule(program, mark),
    });
  }
  return worst('input-chains', faults, 'no chain of others drops what we intercept');
};

function faultsOf(chain: Chain, mark: number): Fault[] {
  const { family, table, name, hook, policy } = chain;
  const meetsUs = hook === 'input' && ['inet', 'ip', 'ip6'].includes(family) && table !== TABLE;
  if (!meetsUs) return [];
  const rules = chain.rules.map(bareRule);
  const accepted = rules.findIndex((rule) => acceptsMark(rule, mark));
  const before = accepted === -1 ? rules : rules.slice(0, accepted);
  const closing = before.find((rule) => CLOSES.test(rule) || CLOSES_DNS.test(rule));
  const dropsRest = accepted === -1 && policy === 'drop';
  if (closing === undefined && !dropsRest) return [];
  const found = closing === undefined ? 'policy drop' : `"${closing}"`;
  const hex = `0x${mark.toString(16)}`;
  const isIptables = name === 'INPUT' && table === 'filter' && family !== 'inet';
  const mend = isIptables
    ? iptablesRule(family === 'ip' ? 'iptables' : 'ip6tables', mark)
    : `nft insert rule ${family} ${table} ${name} meta mark and ${hex} == ${hex} accept`;
  return [{ status: 'warn', found: `${family} ${table} ${name}: ${found}`, why: WHY, mend }];
}

function acceptsMark(rule: string, mark: number): boolean {
  const [, mask, value] = ACCEPTS_MARK.exec(rule) ?? [];
  return mask !== undefined && (mark & Number(mask)) === Number(value) && (Number(value) & mark) !== 0;
}

function iptablesRule(program: string, mark: number): string {
  const hex = `0x${mark.toString(16)}`;
  return `${program} -I INPUT -m mark --mark ${hex}/${hex} -j ACCEPT`;
}
