// Whether something forwards packets past netfilter: kube-proxy with IPVS, a data plane of eBPF or Open vSwitch, a
// flowtable. Known by the marks that they leave; watches.ts knows from what arrives.
import type { Check, Fault } from './finding.ts';
import { worst } from './finding.ts';
import { TABLE } from '../../kernel/nft-text.ts';

const IPVS_INTERFACE = 'kube-ipvs0';
/** The header of /proc/net/ip_vs; services follow. */
const IPVS_HEADER_LINES = 3;

export const serviceProxy: Check = async (context) => {
  const links = await context.links();
  const lines = ((await context.files.read('/proc/net/ip_vs')) ?? '').trim().split('\n');
  const services = Math.max(0, lines.length - IPVS_HEADER_LINES);
  const hasInterface = links.some(({ name }) => name === IPVS_INTERFACE);
  const fault: Fault = {
    status: 'fail',
    found: hasInterface ? `interface ${IPVS_INTERFACE}: kube-proxy uses IPVS` : 'IPVS has services',
    why: 'what clients send to a Service is forwarded from the input hook, past the rules that judge where it goes',
    mend: 'set "mode: nftables" or "mode: iptables" for kube-proxy, restart it, then run kube-proxy --cleanup',
  };
  return worst('service-proxy', hasInterface || services > 0 ? [fault] : [], 'no IPVS');
};

const DATA_PLANES: readonly (readonly [name: string, interfaces: RegExp])[] = [
  ['Cilium', /^cilium_(?:host|net)$/],
  ['Calico with its eBPF data plane', /^bpf(?:in|out)\.cali$/],
  ['Antrea', /^antrea-(?:gw|tun)0$/],
  ['OVN-Kubernetes', /^ovn-k8s-mp0$/],
  ['Open vSwitch', /^(?:ovs-system|br-int|genev_sys_\d+)$/],
];

export const dataPlane: Check = async (context) => {
  const links = await context.links();
  const found = DATA_PLANES.flatMap(([name, interfaces]) => {
    const link = links.find((each) => interfaces.test(each.name));
    return link === undefined ? [] : [`${name} (interface ${link.name})`];
  });
  // A host may have Open vSwitch for other things than its clients: a running agent sees whether their packets reach it (watches.ts).
  const isSure = (each: string): boolean => context.options.mode === 'node' || !each.startsWith('Open vSwitch');
  const faults = found.map((each): Fault => ({
    status: isSure(each) ? 'fail' : 'warn',
    found: each,
    why: 'this network plugin bypasses netfilter: nothing is enforced for its pods',
    mend: 'use a plugin that forwards by the kernel, or its own policies; left over of a removed one: ip link del NAME',
  }));
  return worst('data-plane', faults, 'no interface of a data plane that bypasses netfilter');
};

export const flowtables: Check = async (context) => {
  const { objects, chains } = await context.listing();
  const faults = objects.flatMap(({ kind, family, table, name }): Fault[] => {
    if (kind !== 'flowtable' || table === TABLE) return [];
    const users = chains
      .filter((chain) => chain.family === family && chain.table === table)
      .flatMap((chain) => chain.rules.map((rule) => ({ chain: chain.name, ...rule })))
      .filter(({ text }) => text.includes(`flow add @${name}`));
    const removals = users.map((rule) => `nft delete rule ${family} ${table} ${rule.chain} handle ${rule.handle}`);
    return [
      {
        status: 'warn',
        found: `flowtable ${name} in ${family} ${table}`,
        why: 'its connections pass no chain once established: new ones are judged, but revoking a grant cuts none',
        mend: [...removals, `nft delete flowtable ${family} ${table} ${name}`].join(' && '),
      },
    ];
  });
  return worst('flowtables', faults, 'none of others');
};
