// Whether nft and this kernel take the rules that we write: asked by `nft -c`, which has the kernel judge a transaction
// and never commits it.
import { KernelError } from '../../kernel/kernel-error.ts';
import { SCRATCH_TABLE } from '../../kernel/self-test.ts';
import type { Check, Fault } from './finding.ts';
import { ok, worst } from './finding.ts';

/** Earlier ones print listings that these checks do not read. */
const OLDEST_NFT = [0, 9, 8] as const;

/** Says nothing about the kernel. */
const NOT_PERMITTED = 'Operation not permitted';

const BASE = ['add chain inet T c { type filter hook prerouting priority raw - 10; }'];
const PAIRS = 'add set inet T s { type ipv4_addr . ipv4_addr; flags timeout; size 1024; }';

interface Feature {
  readonly name: string;
  /** Of the kernel's configuration. */
  readonly option: string;
  readonly module: string;
  readonly lines: readonly string[];
}

/** The first that is refused is named; those behind it build on it. */
const FEATURES: readonly Feature[] = [
  { name: 'tables of family inet', option: 'NF_TABLES_INET', module: 'nf_tables', lines: BASE },
  { name: 'sets with timeouts, concatenations', option: 'NF_TABLES', module: 'nf_tables', lines: [PAIRS] },
  {
    name: 'ct',
    option: 'NFT_CT',
    module: 'nft_ct',
    lines: [...BASE, 'add rule inet T c ct state established', 'add rule inet T c notrack'],
  },
  {
    name: 'tproxy',
    option: 'NFT_TPROXY',
    module: 'nft_tproxy',
    lines: [
      ...BASE,
      'add rule inet T c ip daddr 192.0.2.1 udp dport 53 tproxy ip to 192.0.2.1:53',
      'add rule inet T c ip6 daddr 2001:db8::1 tcp dport 53 tproxy ip6 to [2001:db8::1]:53',
    ],
  },
  {
    name: 'limit in a dynamic set',
    option: 'NFT_LIMIT',
    module: 'nft_limit',
    lines: [
      ...BASE,
      'add set inet T r { type ipv4_addr; size 1024; flags dynamic, timeout; timeout 10s; }',
      'add rule inet T c update @r { ip saddr limit rate over 10/second burst 10 packets } drop',
    ],
  },
  {
    name: 'reject',
    option: 'NFT_REJECT_INET',
    module: 'nft_reject_inet',
    lines: [
      'add chain inet T f { type filter hook forward priority filter; }',
      'add rule inet T f meta l4proto tcp reject with tcp reset',
    ],
  },
  {
    name: 'NFLOG',
    option: 'NETFILTER_NETLINK_LOG',
    module: 'nfnetlink_log',
    lines: [...BASE, 'add rule inet T c log group 1'],
  },
];

export const kernelFeatures: Check = async ({ run }) => {
  const printed = (await run('nft', ['--version'])).trim();
  const version =
    /v(\d+)\.(\d+)(?:\.(\d+))?/
      .exec(printed)
      ?.slice(1)
      .map((part) => Number(part ?? 0)) ?? [];
  const faults: Fault[] = [];
  if (isOlder(version, OLDEST_NFT)) {
    faults.push({
      status: 'fail',
      found: `nft is ${version.join('.')}`,
      why: `namewall writes rules that nft knows from ${OLDEST_NFT.join('.')} on`,
      mend: 'apt-get install nftables',
    });
  }
  const check = async (lines: readonly string[]): Promise<void> => {
    const text = ['add table inet T', ...lines].join('\n').replaceAll('inet T', `inet ${SCRATCH_TABLE}`);
    await run('nft', ['-c', '-f', '-'], `${text}\n`);
  };
  for (const { name, option, module, lines } of FEATURES) {
    try {
      await check(lines);
    } catch (error) {
      const isRefusal = error instanceof KernelError && error.code === 'nft' && !error.message.includes(NOT_PERMITTED);
      if (!isRefusal) throw error;
      faults.push({
        status: 'fail',
        found: `the kernel refuses ${name}: ${error.message.split('\n')[0] ?? ''}`,
        why: 'no ruleset of namewall can be applied',
        mend: `modprobe ${module}; a kernel without CONFIG_${option} cannot be used`,
      });
      break;
    }
  }
  return worst('kernel-features', faults, `${printed}; ${FEATURES.map(({ name }) => name).join(', ')}`);
};

/**
 * How lifetimes of grants are renewed (V4). Not tried beside a running agent: it has tried, and uses the same scratch
 * table.
 */
export const renewal: Check = async (context) => {
  if (context.options.renewal === undefined || (await context.agent()) !== undefined) {
    return ok('renewal', 'not tried: the agent does so at its start, and logs "refresh"');
  }
  const strategy = await context.options.renewal();
  const text =
    strategy === 'update'
      ? 'the kernel renews elements in place'
      : 'an old kernel: elements are deleted and added again, in one transaction';
  return ok('renewal', text);
};

function isOlder(version: readonly number[], least: readonly number[]): boolean {
  for (let i = 0; i < least.length; i++) {
    const difference = (version[i] ?? 0) - (least[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
