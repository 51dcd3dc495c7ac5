// What packets meet in policies of several tiers and dialects: documents, what names resolved to, and by hand what becomes of a packet to each
// destination. The pod is payments/checkout; where things are is told in tiers.test.ts.
import { admin, baseline, cilium, DENY_ALL, FIRST_NETS, HTTPS, networkPolicy, SECOND_NETS } from './tier-documents.ts';

export interface TierCase {
  readonly why: string;
  readonly documents: readonly string[];
  /** What was looked up, and the addresses in the answers. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
  /** `PROTOCOL ADDRESS PORT → connected|told|refused`; told: it passes, and a policy that only audits would have denied it. */
  readonly packets: readonly string[];
}

/** The example of the standard (NPEP-133), with other names. */
const ALLOWLIST = `
  { action: Accept, to: [{ domainNames: [api.example.org, "*.ledger.example.org"] }], protocols: ${HTTPS} },
  { action: Accept, to: [{ domainNames: [metrics.example.org.] }], protocols: [{ tcp: { destinationPort: { range: { start: 8440, end: 8443 } } } }] },
  { action: Pass, to: [{ namespaces: {} }] },
  ${DENY_ALL}`;
const LOOKED_UP = {
  'API.example.org': ['192.0.2.1', '2001:db8:9::1'],
  'a.b.ledger.example.org': ['198.51.100.1', '2001:db8:a::1'],
  'metrics.example.org': ['203.0.113.1'],
};
const TO_NAMES = [
  'tcp 192.0.2.1 443 → connected',
  'tcp 2001:db8:9::1 443 → connected',
  'tcp 192.0.2.1 8443 → refused',
  'tcp 2001:db8:9::1 8443 → refused',
  'udp 192.0.2.1 443 → refused',
  'tcp 198.51.100.1 443 → connected',
  'tcp 2001:db8:a::1 443 → connected',
  'tcp 203.0.113.1 8443 → connected',
  'tcp 203.0.113.1 443 → refused',
  'tcp 192.0.2.9 443 → refused',
  'tcp 10.9.0.1 443 → refused',
];

const NAMES: readonly TierCase[] = [
  {
    why: 'names of tier Admin are open before all else is denied, and pods are left to tiers behind, which say nothing',
    documents: [admin(20, ALLOWLIST)],
    names: LOOKED_UP,
    packets: [...TO_NAMES, 'tcp 10.0.2.8 443 → connected', 'tcp 2001:db8:2::8 8443 → connected'],
  },
  {
    why: 'and to a NetworkPolicy, which opens one port',
    documents: [
      admin(20, ALLOWLIST),
      networkPolicy(
        '{ to: [{ namespaceSelector: {} }, { ipBlock: { cidr: 192.0.2.9/32 } }], ports: [{ port: 8443 }] }',
      ),
    ],
    names: LOOKED_UP,
    packets: [
      ...TO_NAMES,
      'tcp 192.0.2.9 8443 → refused',
      'tcp 10.0.2.8 443 → refused',
      'tcp 10.0.2.8 8443 → connected',
      'tcp 2001:db8:2::8 8443 → connected',
      'udp 10.0.2.8 8443 → refused',
    ],
  },
  {
    why: 'an address of a name is not open behind a Deny of its range',
    documents: [admin(20, `{ action: Deny, to: ${FIRST_NETS} }, ${ALLOWLIST}`)],
    names: LOOKED_UP,
    packets: [
      'tcp 192.0.2.1 443 → refused',
      'tcp 2001:db8:9::1 443 → refused',
      'tcp 198.51.100.1 443 → connected',
      'tcp 203.0.113.1 8443 → connected',
    ],
  },
  {
    why: 'nor behind one of a policy with a lower number, and before one with a higher number it is',
    documents: [
      admin(10, `{ action: Deny, to: ${FIRST_NETS} }`),
      admin(20, ALLOWLIST),
      admin(30, `{ action: Deny, to: ${SECOND_NETS} }`),
    ],
    names: LOOKED_UP,
    packets: ['tcp 192.0.2.1 443 → refused', 'tcp 198.51.100.1 443 → connected', 'tcp 2001:db8:a::1 443 → connected'],
  },
  {
    why: 'the same name before a Deny and behind it opens each port where it stands',
    documents: [
      admin(
        10,
        `{ action: Accept, to: [{ domainNames: [api.example.org] }], protocols: ${HTTPS} },
         { action: Deny, to: ${FIRST_NETS} },
         { action: Accept, to: [{ domainNames: [api.example.org] }] },
         ${DENY_ALL}`,
      ),
    ],
    names: { 'api.example.org': ['192.0.2.1', '198.51.100.1'] },
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 192.0.2.1 8443 → refused',
      'udp 192.0.2.1 443 → refused',
      'tcp 198.51.100.1 8443 → connected',
      'udp 198.51.100.1 53 → connected',
    ],
  },
  {
    why: 'a name of tier Admin is stronger than egressDeny, one of toFQDNs is not, one of tier Baseline is never asked',
    documents: [
      admin(10, `{ action: Accept, to: [{ domainNames: [api.example.org] }], protocols: ${HTTPS} }`),
      cilium(
        `egressDeny: [{ toCIDR: [192.0.2.0/24] }],
         egress: [{ toFQDNs: [{ matchName: www.example.org }] }]`,
      ),
      baseline('{ action: Accept, to: [{ domainNames: [base.example.org] }] }'),
    ],
    names: {
      'api.example.org': ['192.0.2.1'],
      'www.example.org': ['192.0.2.9', '198.51.100.1'],
      'base.example.org': ['203.0.113.1'],
    },
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 192.0.2.1 8443 → refused',
      'tcp 192.0.2.9 443 → refused',
      'tcp 198.51.100.1 443 → connected',
      'tcp 203.0.113.1 443 → refused',
    ],
  },
];

const TIERS: readonly TierCase[] = [
  {
    why: 'what is passed on is what a CiliumNetworkPolicy says, and only that',
    documents: [
      admin(10, `{ action: Pass, to: ${SECOND_NETS} }, { action: Deny, to: ${FIRST_NETS} }`),
      cilium(
        `egress: [{ toCIDR: [192.0.2.0/24, 198.51.100.0/24, "2001:db8:a::/64"], toPorts: [{ ports: [{ port: '443' }] }] }]`,
      ),
    ],
    packets: [
      'tcp 192.0.2.1 443 → refused',
      'tcp 198.51.100.1 443 → connected',
      'tcp 2001:db8:a::1 443 → connected',
      'tcp 198.51.100.1 8443 → refused',
      'tcp 2001:db8:a::1 8443 → refused',
      'tcp 203.0.113.1 443 → refused',
    ],
  },
  {
    why: 'what is passed on does not come back to the tier: no policy of a higher number sees it',
    documents: [admin(10, `{ action: Pass, to: ${SECOND_NETS} }`), admin(20, DENY_ALL)],
    packets: ['tcp 198.51.100.1 443 → connected', 'tcp 192.0.2.1 443 → refused'],
  },
  {
    why: 'Accept of tier Admin opens what a NetworkPolicy does not',
    documents: [admin(10, `{ action: Accept, to: ${FIRST_NETS}, protocols: ${HTTPS} }`), networkPolicy('')],
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 2001:db8:9::1 443 → connected',
      'tcp 192.0.2.1 8443 → refused',
      'tcp 198.51.100.1 443 → refused',
    ],
  },
  {
    why: 'a pod that nothing isolates comes to tier Baseline: the first that matches, and what passes or matches nothing is open',
    documents: [
      baseline(
        `{ action: Accept, to: [{ networks: [192.0.2.9/32] }] },
         { action: Accept, to: [{ domainNames: [api.example.org] }], protocols: ${HTTPS} },
         { action: Pass, to: [{ networks: [198.51.100.0/24] }] },
         { action: Deny, to: [{ networks: [192.0.2.0/24, 198.51.100.0/24, "2001:db8:9::/64"] }] }`,
      ),
    ],
    names: { 'api.example.org': ['192.0.2.1'] },
    packets: [
      'tcp 192.0.2.9 8443 → connected',
      'tcp 192.0.2.1 443 → connected',
      'tcp 192.0.2.1 8443 → refused',
      'tcp 2001:db8:9::1 443 → refused',
      'tcp 198.51.100.1 443 → connected',
      'tcp 203.0.113.1 443 → connected',
      'tcp 2001:db8:a::1 443 → connected',
    ],
  },
  {
    why: 'one that is isolated does not: neither what Baseline denies nor what it opens counts',
    documents: [
      cilium('egress: [{ toCIDR: [192.0.2.0/24, "2001:db8:9::/64"] }]'),
      baseline(
        '{ action: Deny, to: [{ networks: [192.0.2.0/24] }] }, { action: Accept, to: [{ networks: ["0.0.0.0/0"] }] }',
      ),
    ],
    packets: ['tcp 192.0.2.1 443 → connected', 'tcp 2001:db8:9::1 443 → connected', 'tcp 198.51.100.1 443 → refused'],
  },
  {
    why: 'what a pod may reach of a policy that does not isolate it is open before Baseline denies',
    documents: [
      cilium(
        `enableDefaultDeny: { egress: false }, egress: [{ toCIDR: [192.0.2.9/32] }], egressDeny: [{ toCIDR: [198.51.100.0/24] }]`,
      ),
      baseline(`{ action: Deny, to: ${FIRST_NETS} }`),
    ],
    packets: [
      'tcp 192.0.2.9 443 → connected',
      'tcp 192.0.2.1 443 → refused',
      'tcp 198.51.100.1 443 → refused',
      'tcp 203.0.113.1 443 → connected',
    ],
  },
  {
    why: 'a Deny of one protocol and port leaves the others of the same address open',
    documents: [admin(10, `{ action: Deny, to: ${FIRST_NETS}, protocols: ${HTTPS} }`)],
    packets: [
      'tcp 192.0.2.1 443 → refused',
      'tcp 192.0.2.1 8443 → connected',
      'udp 192.0.2.1 443 → connected',
      'tcp 2001:db8:9::1 443 → refused',
      'udp 2001:db8:9::1 443 → connected',
    ],
  },
];

const NETWORK_POLICIES: readonly TierCase[] = [
  {
    why: 'an exception of an ipBlock, and a range of ports',
    documents: [
      networkPolicy(
        `{ to: [{ ipBlock: { cidr: 192.0.2.0/24, except: [192.0.2.8/31] } }, { ipBlock: { cidr: "2001:db8:9::/64" } }],
           ports: [{ port: 440, endPort: 450 }] }`,
      ),
    ],
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 192.0.2.9 443 → refused',
      'tcp 192.0.2.1 8443 → refused',
      'udp 192.0.2.1 443 → refused',
      'tcp 2001:db8:9::1 443 → connected',
      'tcp 198.51.100.1 443 → refused',
    ],
  },
  {
    why: 'a named port is the number that the destination pod gives it, and no address that is no pod has one',
    documents: [networkPolicy('{ ports: [{ port: web }] }')],
    packets: [
      'tcp 10.0.2.8 8443 → connected',
      'tcp 2001:db8:2::8 8443 → connected',
      'tcp 10.0.2.8 443 → refused',
      'tcp 192.0.2.1 8443 → refused',
    ],
  },
  {
    why: 'an ipBlock means the pods in it, too; two policies add up',
    documents: [
      networkPolicy('{ to: [{ ipBlock: { cidr: 10.0.0.0/8 } }], ports: [{ port: 443 }] }'),
      networkPolicy(
        '{ to: [{ podSelector: {}, namespaceSelector: { matchLabels: { team: data } } }], ports: [{ protocol: UDP }] }',
        {
          name: 'second',
        },
      ),
    ],
    packets: [
      'tcp 10.0.2.8 443 → connected',
      'tcp 10.0.2.8 8443 → refused',
      'udp 10.0.2.8 8443 → connected',
      'udp 2001:db8:2::8 8443 → connected',
      'tcp 2001:db8:2::8 443 → refused',
    ],
  },
];

const AUDITED: readonly TierCase[] = [
  {
    why: 'a Deny of tier Admin that only audits is told and lets pass what nothing else denies',
    documents: [
      admin(10, `{ action: Deny, to: ${FIRST_NETS} }`, { isAudited: true }),
      admin(20, '{ action: Deny, to: [{ networks: [192.0.2.9/32] }] }'),
    ],
    packets: [
      'tcp 192.0.2.1 443 → told',
      'tcp 2001:db8:9::1 443 → told',
      'udp 192.0.2.1 443 → told',
      'tcp 192.0.2.9 443 → refused',
      'tcp 198.51.100.1 443 → connected',
    ],
  },
  {
    why: 'what it accepts and passes on counts',
    documents: [
      admin(10, `{ action: Accept, to: [{ networks: [192.0.2.9/32] }] }, { action: Pass, to: ${SECOND_NETS} }`, {
        isAudited: true,
      }),
      admin(20, DENY_ALL),
    ],
    packets: ['tcp 192.0.2.9 443 → connected', 'tcp 198.51.100.1 443 → connected', 'tcp 192.0.2.1 443 → refused'],
  },
  {
    why: 'a denial of a tier behind is told, too, and what is open otherwise stays open',
    documents: [
      cilium('egressDeny: [{ toCIDR: [192.0.2.0/24] }], egress: [{ toEntities: [world] }]', { isAudited: true }),
      networkPolicy('{ to: [{ ipBlock: { cidr: 192.0.2.0/24 } }, { ipBlock: { cidr: 198.51.100.0/24 } }] }'),
    ],
    packets: [
      'tcp 192.0.2.1 443 → told',
      'tcp 198.51.100.1 443 → connected',
      'tcp 203.0.113.1 443 → connected',
      'tcp 10.9.0.1 443 → refused',
    ],
  },
  {
    why: 'who is isolated only by policies that audit is told and loses nothing; what they open is not told',
    documents: [
      networkPolicy('{ to: [{ ipBlock: { cidr: 192.0.2.0/24 } }] }', { isAudited: true }),
      cilium('egress: [{ toFQDNs: [{ matchName: api.example.org }] }]', { isAudited: true }),
    ],
    names: { 'api.example.org': ['198.51.100.1', '2001:db8:a::1'] },
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 198.51.100.1 443 → connected',
      'tcp 2001:db8:a::1 443 → connected',
      'tcp 203.0.113.1 443 → told',
      'tcp 2001:db8:9::1 443 → told',
      'tcp 10.0.2.8 443 → told',
      'tcp 10.9.0.1 443 → told',
    ],
  },
  {
    why: 'such a pod comes to tier Baseline, which denies',
    documents: [
      networkPolicy('{ to: [{ ipBlock: { cidr: 192.0.2.9/32 } }] }', { isAudited: true }),
      baseline(`{ action: Deny, to: ${FIRST_NETS} }, { action: Accept, to: ${SECOND_NETS} }`),
    ],
    packets: [
      'tcp 192.0.2.9 443 → connected',
      'tcp 192.0.2.1 443 → refused',
      'tcp 198.51.100.1 443 → told',
      'tcp 203.0.113.1 443 → told',
    ],
  },
  {
    why: 'one policy that does not audit isolates, and what the others open stays open',
    documents: [
      networkPolicy('{ to: [{ ipBlock: { cidr: 192.0.2.0/24 } }] }', { isAudited: true }),
      cilium('egress: [{ toCIDR: [198.51.100.0/24] }]'),
    ],
    packets: ['tcp 192.0.2.1 443 → connected', 'tcp 198.51.100.1 443 → connected', 'tcp 203.0.113.1 443 → refused'],
  },
];

const NODE: readonly TierCase[] = [
  {
    why: 'the node itself is opened by its labels, on the ports that are listed, and denied with everything',
    documents: [
      admin(
        10,
        `{ action: Accept, to: [{ nodes: { matchLabels: { zone: a } } }], protocols: [{ tcp: { destinationPort: { number: 8443 } } }] },
         ${DENY_ALL}`,
      ),
    ],
    packets: [
      'tcp 10.9.0.1 8443 → connected',
      'tcp 2001:db8:f::1 8443 → connected',
      'tcp 169.254.1.1 8443 → connected',
      'tcp 10.9.0.1 443 → refused',
      'tcp 2001:db8:f::1 443 → refused',
      'udp 10.9.0.1 8443 → refused',
    ],
  },
  {
    why: 'other nodes are not it',
    documents: [admin(10, `{ action: Accept, to: [{ nodes: { matchLabels: { zone: b } } }] }, ${DENY_ALL}`)],
    packets: ['tcp 10.9.0.1 443 → refused', 'tcp 203.0.113.9 443 → connected', 'tcp 203.0.113.1 443 → refused'],
  },
  {
    why: 'a range denies the node, and does not open it',
    documents: [
      admin(
        10,
        '{ action: Deny, to: [{ networks: [10.9.0.1/32, "2001:db8:f::/64"] }], protocols: [{ tcp: { destinationPort: { number: 8443 } } }] }',
      ),
      networkPolicy('{ to: [{ ipBlock: { cidr: 10.9.0.0/24 } }] }'),
    ],
    packets: ['tcp 10.9.0.1 8443 → refused', 'tcp 10.9.0.1 443 → refused', 'tcp 2001:db8:f::1 8443 → refused'],
  },
  {
    why: 'a range that is denied is denied at the node when everything else of it is open',
    documents: [admin(10, '{ action: Deny, to: [{ networks: [10.9.0.0/24] }] }')],
    packets: [
      'tcp 10.9.0.1 443 → refused',
      'udp 10.9.0.1 443 → refused',
      'tcp 2001:db8:f::1 443 → connected',
      'tcp 169.254.1.1 443 → connected',
    ],
  },
  {
    why: 'everywhere is the node, too, but for what no broad rule opens',
    documents: [networkPolicy('{}')],
    packets: ['tcp 10.9.0.1 443 → connected', 'tcp 2001:db8:f::1 443 → connected', 'tcp 169.254.1.1 443 → refused'],
  },
  {
    why: 'what is passed on there is what Cilium says of the host',
    documents: [
      admin(10, `{ action: Pass, to: [{ nodes: {} }] }, ${DENY_ALL}`),
      cilium(`egress: [{ toEntities: [host], toPorts: [{ ports: [{ port: '443' }] }] }]`),
    ],
    packets: ['tcp 10.9.0.1 443 → connected', 'tcp 10.9.0.1 8443 → refused', 'tcp 192.0.2.1 443 → refused'],
  },
  {
    why: 'a denial of the node that only audits is told; no name opens the node',
    documents: [
      admin(10, '{ action: Deny, to: [{ networks: [10.9.0.1/32] }] }', { isAudited: true }),
      admin(
        20,
        `{ action: Accept, to: [{ domainNames: [node.example.org] }] }, { action: Deny, to: [{ networks: ["2001:db8:f::1/128"] }] }`,
      ),
    ],
    names: { 'node.example.org': ['10.9.0.1', '2001:db8:f::1'] },
    packets: ['tcp 10.9.0.1 443 → told', 'tcp 2001:db8:f::1 443 → refused'],
  },
];

export const TIER_CASES: readonly TierCase[] = [...NAMES, ...TIERS, ...NETWORK_POLICIES, ...AUDITED, ...NODE];
export const DENY_ONE_RANGE: readonly string[] = [admin(10, `{ action: Deny, to: ${FIRST_NETS} }`)];
