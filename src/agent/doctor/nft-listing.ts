// `nft -a -t list ruleset` → what the checks ask of it. Text, not JSON, where nft 1.0.6 leaves out what a target of
// iptables does; by the indentation that nft prints, since comments may hold braces.

export interface Rule {
  /** Without handle and comment. */
  readonly text: string;
  readonly handle: number;
}

export interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Of a base chain. */
  readonly hook?: string;
  readonly policy?: string;
  readonly rules: readonly Rule[];
}

export interface Listing {
  readonly tables: readonly { readonly family: string; readonly name: string; readonly flags: string }[];
  readonly chains: readonly Chain[];
  /** Sets, maps, flowtables: what stands in a table beside its chains. */
  readonly objects: readonly {
    readonly kind: string;
    readonly family: string;
    readonly table: string;
    readonly name: string;
  }[];
}

type Open<T> = { -readonly [K in keyof T]: T[K] };
type OpenChain = Omit<Open<Chain>, 'rules'> & { rules: Rule[] };

const TABLE = /^table (\S+) (\S+) \{/;
const BLOCK = /^\t(chain|set|map|flowtable|counter|quota|limit|ct \w+|secmark|synproxy) (\S+) \{/;
const BASE = /^\t\ttype \S+ hook (\S+) (?:.*?)priority [^;]+;(?: policy (\w+);)?/;
const RULE = /^\t\t(.+?)(?: comment "[^"]*")? # handle (\d+)$/;
const FLAGS = /^\tflags (.+)$/;

export function parseListing(text: string): Listing {
  const tables: Open<Listing['tables'][number]>[] = [];
  const chains: OpenChain[] = [];
  const objects: Listing['objects'][number][] = [];
  let chain: OpenChain | undefined;
  for (const line of text.split('\n')) {
    const table = TABLE.exec(line);
    if (table !== null) tables.push({ family: table[1] ?? '', name: table[2] ?? '', flags: '' });
    const current = tables.at(-1);
    if (current === undefined) continue;
    const flags = FLAGS.exec(line);
    if (flags !== null) current.flags = flags[1] ?? '';
    const opened = BLOCK.exec(line);
    if (opened !== null) {
      const [, kind = '', name = ''] = opened;
      const place = { family: current.family, table: current.name, name };
      chain = kind === 'chain' ? { ...place, rules: [] } : undefined;
      if (chain === undefined) objects.push({ kind, ...place });
      else chains.push(chain);
    } else if (chain !== undefined) readChainLine(chain, line);
  }
  return { tables, chains, objects };
}

function readChainLine(chain: OpenChain, line: string): void {
  const base = BASE.exec(line);
  if (base !== null) {
    chain.hook = base[1] ?? '';
    chain.policy = base[2] ?? 'accept';
    return;
  }
  const rule = RULE.exec(line);
  if (rule !== null) chain.rules.push({ text: rule[1] ?? '', handle: Number(rule[2]) });
}

const STATE = / ?counter (?:packets \d+ bytes \d+|name \S+)/g;

/** The rule without its counters: what it matches and does. */
export function bareRule({ text }: Rule): string {
  return text.replaceAll(STATE, '').trim();
}

/** Numbers as nft prints them, hexadecimal or decimal. */
export const NUMBER = String.raw`(0x[0-9a-f]+|\d+)`;
