// Who may send with which addresses through a port of a bridge, as nft text of a table in the bridge family: the inet hooks see the bridge as
// the interface, not its port. Frames that the inet hooks would never see, because of their type or a VLAN tag, are dropped here. This family
// has neither connection tracking nor reject (V21), and needs none: all the rest is judged by the inet table, through br_netfilter.
import { parseAddress } from '../base/ip.ts';
import { KernelError } from './kernel-error.ts';
import { addressesOf, block, chainText, quotedInterface, setText, TABLE } from './nft-text.ts';
import type { RulesetPod } from './ruleset.ts';

/** Before the bridge looks a frame's destination up, so that a forged source is not learned by anybody behind it. */
const PRIORITY = -300;

/** The table, replaced whole; only its removal without bridged pods. `gateways`: link-local addresses of the bridges themselves. Throws KernelError `bad-input`. */
export function bridgeGuardText(pods: readonly RulesetPod[], gateways: readonly string[]): string {
  const byPort = Map.groupBy(
    pods.filter(({ bridge }) => bridge !== undefined),
    (pod) => quotedInterface(pod.interface ?? ''),
  );
  const removal = `add table bridge ${TABLE}\ndelete table bridge ${TABLE}\n`;
  if (byPort.size === 0) return removal;
  const ports = [...byPort].map(([port, own], n) => ({ port, chain: `port_${n}`, own }));
  const elements = ports.map(({ port, chain }) => `${port} : jump ${chain}`);
  return [
    `${removal}table bridge ${TABLE} {`,
    block('counter', 'spoofed', ['comment "frames dropped for their source"']),
    chainText('spoofed', ['counter name spoofed', 'drop']).text,
    ...ports.map(({ chain, own }) => chainText(chain, portRules(own, gateways)).text),
    setText({ kind: 'map', name: 'ports', type: 'ifname : verdict', elements }).text,
    chainText('guard', [`type filter hook prerouting priority ${PRIORITY}; policy accept;`, 'iifname vmap @ports'])
      .text,
    '}\n',
  ].join('\n');
}

function portRules(pods: readonly RulesetPod[], gateways: readonly string[]): string[] {
  const addresses = pods.flatMap((pod) => pod.addresses);
  const macs = pods.flatMap(({ mac }) => (mac === undefined ? [] : [checkedMac(mac)]));
  const ethers = macs.length === pods.length ? `{ ${macs.join(', ')} }` : undefined;
  return [
    ...(ethers === undefined ? [] : [`ether saddr != ${ethers} jump spoofed`]),
    ...arpRules(addressesOf(addresses, 4), ethers),
    ...ipv4Rules(addressesOf(addresses, 4)),
    ...ipv6Rules(addressesOf(addresses, 6), addressesOf(gateways, 6)),
    'jump spoofed comment "a foreign source; neither IP nor ARP; behind a VLAN tag"',
  ];
}

function arpRules(addresses: readonly string[], ethers: string | undefined): string[] {
  const claims = ethers === undefined ? [] : [`ether type arp arp saddr ether != ${ethers} jump spoofed`];
  return [
    ...claims,
    'ether type arp arp operation request arp saddr ip 0.0.0.0 accept comment "probe (RFC 5227)"',
    ...(addresses.length === 0 ? [] : [`ether type arp arp saddr ip ${oneOf(addresses)} accept`]),
  ];
}

function ipv4Rules(addresses: readonly string[]): string[] {
  return [
    ...(addresses.length === 0 ? [] : [`ether type ip ip saddr ${oneOf(addresses)} accept`]),
    'ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept comment "DHCP"',
  ];
}

/** The target of an advertisement is the 16 bytes behind the first 8 of the message (RFC 4861 §4.4). */
function ipv6Rules(addresses: readonly string[], gateways: readonly string[]): string[] {
  const targets = addresses.map((address) => `@th,64,128 != ${hex(address)} `).join('');
  return [
    'icmpv6 type { nd-router-advert, nd-redirect } jump spoofed',
    // Which link-local address is a pod's nobody knows; which are the gateway's is known.
    ...(gateways.length === 0 ? [] : [`ip6 saddr ${oneOf(gateways)} jump spoofed`]),
    ...gateways.map((address) => `icmpv6 type nd-neighbor-advert @th,64,128 ${hex(address)} jump spoofed`),
    `icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa ${targets}jump spoofed comment "an address of somebody else"`,
    ...(addresses.length === 0 ? [] : [`ether type ip6 ip6 saddr ${oneOf(addresses)} accept`]),
    ...LINK_LOCAL.map((rule) => `ether type ip6 ${rule} accept`),
  ];
}

export const LINK_LOCAL_RANGE = 'fe80::/10';
/** What an IPv6 host sends without a global address: to find neighbours, to join groups, to be given an address. Nothing else. */
export const LINK_LOCAL = [
  'ip6 saddr { ::, fe80::/10 } icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }',
  'ip6 saddr fe80::/10 udp sport 546 udp dport 547',
];

function oneOf(addresses: readonly string[]): string {
  return `{ ${addresses.join(', ')} }`;
}

function hex(address: string): string {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new KernelError('bad-input', `Cannot read "${address}" as an address`);
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

function checkedMac(mac: string): string {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw new KernelError('bad-input', `Cannot read "${mac}" as a MAC address`);
  return mac.toLowerCase();
}
