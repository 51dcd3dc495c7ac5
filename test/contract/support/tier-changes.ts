// What is open while policy changes: nothing that neither the policies before nor those after allow, and all that both do. Where they are other rules,
// also what one of them does; of the same rule with another range the one after counts.
import { admin, cilium, DENY_ALL, FIRST_NETS, HTTPS, networkPolicy, SECOND_NETS } from './tier-documents.ts';
import type { TierCase } from './tier-cases.ts';

export interface TierChange extends TierCase {
  readonly before: readonly string[];
}

const accept = (to: string, protocols = HTTPS): string => `{ action: Accept, to: ${to}, protocols: ${protocols} }`;
const deny = (to: string): string => `{ action: Deny, to: ${to} }`;
const API = '[{ domainNames: [api.example.org] }]';
const NODE_A = '[{ nodes: { matchLabels: { zone: a } } }]';
const OTHER_PORT = '[{ tcp: { destinationPort: { number: 8443 } } }]';

export const TIER_CHANGES: readonly TierChange[] = [
  {
    why: 'a denial comes before a name: open is what one of them opens',
    before: [admin(10, `${accept(API)}, ${DENY_ALL}`)],
    documents: [admin(10, `${deny(SECOND_NETS)}, ${accept(API)}, ${DENY_ALL}`)],
    names: { 'api.example.org': ['192.0.2.1', '2001:db8:9::1', '198.51.100.1'] },
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 2001:db8:9::1 443 → connected',
      'tcp 198.51.100.1 443 → connected',
      'tcp 192.0.2.1 8443 → refused',
      'tcp 192.0.2.9 443 → refused',
    ],
  },
  {
    why: 'a rule denies another range',
    before: [admin(10, `${deny(FIRST_NETS)}, ${accept(API)}, ${DENY_ALL}`)],
    documents: [admin(10, `${deny(SECOND_NETS)}, ${accept(API)}, ${DENY_ALL}`)],
    names: { 'api.example.org': ['192.0.2.1', '2001:db8:9::1', '198.51.100.1', '203.0.113.1'] },
    packets: [
      'tcp 192.0.2.1 443 → connected',
      'tcp 2001:db8:9::1 443 → connected',
      'tcp 198.51.100.1 443 → refused',
      'tcp 203.0.113.1 443 → connected',
      'tcp 192.0.2.1 8443 → refused',
      'tcp 192.0.2.9 443 → refused',
    ],
  },
  {
    why: 'what a name opened before is not open where it was denied, although the denial is gone',
    before: [
      cilium(`egressDeny: [{ toCIDR: [192.0.2.0/24] }],
        egress: [{ toFQDNs: [{ matchName: api.example.org }], toPorts: [{ ports: [{ port: '443' }] }] }]`),
    ],
    documents: [
      cilium(`egress: [{ toFQDNs: [{ matchName: api.example.org }], toPorts: [{ ports: [{ port: '8443' }] }] }]`),
    ],
    names: { 'api.example.org': ['192.0.2.1', '198.51.100.1'] },
    packets: [
      'tcp 192.0.2.1 443 → refused',
      'tcp 192.0.2.1 8443 → connected',
      'tcp 198.51.100.1 443 → connected',
      'tcp 198.51.100.1 8443 → connected',
      'tcp 203.0.113.1 443 → refused',
    ],
  },
  {
    why: 'a pod becomes isolated: what it was denied and is not allowed stays closed',
    before: [admin(10, deny(FIRST_NETS))],
    documents: [networkPolicy('{ to: [{ ipBlock: { cidr: 192.0.2.9/32 } }] }')],
    packets: [
      'tcp 192.0.2.1 443 → refused',
      'tcp 2001:db8:9::1 443 → refused',
      'tcp 192.0.2.9 443 → connected',
      'tcp 198.51.100.1 443 → connected',
      'tcp 10.9.0.1 443 → connected',
    ],
  },
  {
    why: 'and is not isolated any more',
    before: [networkPolicy('{ to: [{ ipBlock: { cidr: 192.0.2.9/32 } }] }')],
    documents: [admin(10, deny(FIRST_NETS))],
    packets: [
      'tcp 192.0.2.1 443 → refused',
      'tcp 2001:db8:9::1 443 → refused',
      'tcp 192.0.2.9 443 → connected',
      'tcp 198.51.100.1 443 → connected',
      'tcp 10.9.0.1 443 → connected',
    ],
  },
  {
    why: 'what was passed on and allowed is open, what was passed on and not allowed is not',
    before: [
      admin(10, `{ action: Pass, to: ${SECOND_NETS} }, ${DENY_ALL}`),
      networkPolicy('{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }], ports: [{ port: 443 }] }'),
    ],
    documents: [admin(10, DENY_ALL)],
    packets: [
      'tcp 198.51.100.1 443 → connected',
      'tcp 198.51.100.1 8443 → refused',
      'tcp 192.0.2.1 443 → refused',
      'tcp 10.9.0.1 443 → refused',
    ],
  },
  {
    why: 'a policy that audited denies from the end on',
    before: [admin(10, deny(FIRST_NETS), { isAudited: true }), admin(20, deny(SECOND_NETS))],
    documents: [admin(10, deny(FIRST_NETS)), admin(20, deny(SECOND_NETS))],
    packets: ['tcp 192.0.2.1 443 → connected', 'tcp 198.51.100.1 443 → refused', 'tcp 203.0.113.1 443 → connected'],
  },
  {
    why: 'the node itself',
    before: [admin(10, `${accept(NODE_A)}, ${DENY_ALL}`)],
    documents: [admin(10, `${accept(NODE_A, OTHER_PORT)}, ${deny('[{ networks: ["10.9.0.1/32"] }]')}, ${DENY_ALL}`)],
    packets: [
      'tcp 10.9.0.1 443 → connected',
      'tcp 2001:db8:f::1 8443 → connected',
      'udp 10.9.0.1 443 → refused',
      'tcp 192.0.2.1 443 → refused',
    ],
  },
];
