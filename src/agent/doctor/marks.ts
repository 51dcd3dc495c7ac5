// Whether other programs' rules set or clear the bit of the packet mark that is ours. What such a rule matches is not
// judged, only what it does.
import { TABLE } from '../../kernel/nft-text.ts';
import type { Check, Fault } from './finding.ts';
import { worst } from './finding.ts';
import { bareRule, NUMBER } from './nft-listing.ts';
import type { Chain } from './nft-listing.ts';

/** Felix takes bits out of these, unless its IptablesMarkMask says otherwise. */
const CALICO_MASK = 0xffff0000;
const CALICO_CHAIN = /^cali-/;
/** In none of the default masks of kube-proxy, Calico, Cilium, Tailscale, AWS VPC CNI and the portmap plugin. */
const FREE_BIT = '0x20';
const MEND = `set "mark: ${FREE_BIT}", or another bit that nobody uses, in the configuration, and restart the agent`;

const WRITES = /(?:^|[^t] )(?:meta )?mark set (.+)$/;
const OR = new RegExp(`^(?:meta )?mark (?:or|\\|) ${NUMBER}`);
const AND = new RegExp(`^(?:meta )?mark (?:and|&) ${NUMBER}(?: (?:xor|\\^|or|\\|) ${NUMBER})?`);
const PLAIN = new RegExp(`^${NUMBER}`);

export const marks: Check = async (context) => {
  const { mark } = context;
  const chains = (await context.listing()).chains.filter(({ table }) => table !== TABLE);
  const faults: Fault[] = chains.flatMap((chain) =>
    chain.rules.flatMap((rule) => faultsOf(chain, bareRule(rule), mark)),
  );
  const hasCalico = chains.some(({ name }) => CALICO_CHAIN.test(name));
  if (hasCalico && (mark & CALICO_MASK) !== 0) {
    faults.push({
      status: 'warn',
      found: `mark ${hex(mark)} lies in Calico's default mask ${hex(CALICO_MASK)}`,
      why: 'Calico gives its bits out as it needs them: with WireGuard or IPVS one of them may be ours',
      mend: MEND,
    });
  }
  return worst('marks', faults, `nobody else writes the bit of ${hex(mark)}`);
};

function faultsOf({ family, table, name, hook }: Chain, text: string, mark: number): Fault[] {
  const bits = written(text);
  if (bits === undefined) return [];
  const found = `"${text}" in ${family} ${table} ${name}`;
  if ((bits.sets & mark) !== 0) {
    const why = 'what it marks passes for intercepted DNS: it reaches our sockets, and is let in to this node';
    return [{ status: 'warn', found: `${found} sets our bit`, why, mend: MEND }];
  }
  // Behind ours, and before the routing decision that needs the bit. Where other chains are jumped to from is not known.
  if (hook !== 'prerouting' || (bits.clears & mark) === 0) return [];
  const why = 'an intercepted query that it matches is routed on instead of to our sockets';
  const mend =
    'have it write its own bits only: "mark set mark and MASK xor VALUE", or iptables --set-xmark VALUE/MASK';
  return [{ status: 'warn', found: `${found} clears our bit`, why, mend }];
}

/**
 * Which bits a rule sets and clears; undefined when it leaves the mark alone, or copies it from a connection, which
 * DNS of ours has none of.
 */
function written(text: string): { readonly sets: number; readonly clears: number } | undefined {
  const value = WRITES.exec(text)?.[1];
  if (value === undefined) return undefined;
  const or = OR.exec(value);
  if (or !== null) return { sets: Number(or[1]), clears: 0 };
  const and = AND.exec(value);
  if (and !== null) return { sets: Number(and[2] ?? 0), clears: ~Number(and[1]) };
  const plain = PLAIN.exec(value);
  return plain === null ? undefined : { sets: Number(plain[1]), clears: ~Number(plain[1]) };
}

function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}
