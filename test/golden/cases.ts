// The inputs of the golden rulesets: each name is a file beside this one. `UPDATE_GOLDEN=1 vitest run test/unit/kernel` writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { protectedRanges } from '../../src/kernel/protected.ts';
import type { RulesetInput } from '../../src/kernel/ruleset.ts';
import { programOf, segmentOf } from '../support/program.ts';

const ICMP = [
  { family: 4, type: 8 },
  { family: 6, type: 128 },
] as const;

const HTTPS = [{ protocol: 'tcp', first: 443, last: 443 }] as const;

const NOTHING: RulesetInput = {
  mark: 0x100000,
  dnsServers: ['10.96.0.10', 'fd00:96::a'],
  whenDown: 'closed',
  verdict: 'reject',
  logGroup: 5310,
  interceptedAddresses: [],
  pods: [],
  gateways: [],
  podLinks: [],
  leftAddresses: [],
  guardedRanges: [],
  destinations: [],
  classes: [],
  programs: [],
  protectedRanges: protectedRanges({ protect: [], cidrs: [] }),
  queriesPerSecondPerPod: 1_000,
  existing: { sets: [], maps: [], chains: [], chainTexts: new Map(), elements: new Map(), hasBridgeGuard: false },
};

const TWO_PODS: RulesetInput = {
  ...NOTHING,
  interceptedAddresses: ['10.0.1.7', '2001:db8:1::7', '10.0.1.8'],
  pods: [
    { addresses: ['10.0.1.7', '2001:db8:1::7'], owner: 'a7', interface: 'veth7', programId: '0123456789ab' },
    { addresses: ['10.0.1.8'], owner: 'a8' },
  ],
  podLinks: ['veth7'],
  classes: [
    { id: 'tcp443', ports: [{ protocol: 'tcp', first: 443, last: 443 }] },
    {
      id: 'tcp80_tcp8000to8100_udp443',
      ports: [
        { protocol: 'tcp', first: 80, last: 80 },
        { protocol: 'tcp', first: 8000, last: 8100 },
        { protocol: 'udp', first: 443, last: 443 },
      ],
    },
    { id: 'any', ports: 'all' },
  ],
  programs: [
    programOf('0123456789ab', [{ classes: [0, 1] }]),
    programOf('ba9876543210', [{ classes: [2] }]),
  ],
};

export const GOLDEN_CASES: Readonly<Record<string, RulesetInput>> = {
  'no-pods': NOTHING,
  'two-pods': TWO_PODS,
  'bypass-drop-tcp': {
    ...TWO_PODS,
    whenDown: 'bypass',
    verdict: 'drop',
    protectedRanges: protectedRanges({
      protect: ['rfc1918', 'ula', 'cgnat'],
      cidrs: [{ cidr: '198.51.100.0/24', reason: 'service-range' }],
    }),
  },
  bridged: {
    ...TWO_PODS,
    gateways: ['fe80::1'],
    podLinks: ['br0', 'veth9'],
    pods: [
      { addresses: ['10.0.1.7', '2001:db8:1::7'], owner: 'a7', interface: 'tap7', bridge: 'br0', mac: '02:00:00:00:00:07' },
      { addresses: ['10.0.1.8'], owner: 'a8', interface: 'tap8', bridge: 'br0', programId: '0123456789ab' },
      { addresses: ['10.0.1.9'], owner: 'a9', interface: 'veth9' },
    ],
  },
  'static-rules': {
    ...TWO_PODS,
    destinations: [
      { key: 'cidr', cidrs: ['192.0.2.0/24', '192.0.3.0/25', '2001:db8::/32'] },
      { key: 'peers', cidrs: ['10.0.1.9', '10.0.1.10', '2001:db8:1::9'] },
      { key: 'meant', cidrs: ['169.254.169.254/32'] },
      { key: 'closed', cidrs: ['198.51.100.0/24'] },
    ],
    programs: [
      programOf('0123456789ab', [
          {
            deny: [{ to: 3, traffic: 'all', rule: 0 }],
            classes: [0],
            allow: [
              { to: 0, traffic: { ports: [{ protocol: 'tcp', first: 443, last: 443 }], icmp: [] }, rule: 1 },
              { to: 1, traffic: { ports: [{ protocol: 'sctp', first: 1, last: 9 }], icmp: ICMP }, rule: 2 },
              { to: 2, traffic: { ports: [{ protocol: 'tcp', first: 80, last: 80 }], icmp: [] }, rule: 3 },
            ],
          },
          {
            deny: [{ to: 'host', traffic: 'all', rule: 4 }],
            allow: [{ to: 'any', traffic: { ports: [{ protocol: 'udp', first: 123, last: 123 }], icmp: [] }, rule: 5 }],
          },
        ]),
      programOf('ba9876543210', [{ classes: [2] }]),
    ],
  },
  tiers: {
    ...TWO_PODS,
    destinations: [
      { key: 'metadata', cidrs: ['169.254.169.254/32'] },
      { key: 'peers', cidrs: ['10.0.1.9', '2001:db8:1::9'] },
      { key: 'world', cidrs: ['0.0.0.0/0', '::/0'] },
      { key: 'watched', cidrs: ['198.51.100.0/24'] },
      { key: 'partners', cidrs: ['192.0.2.0/24'] },
      { key: 'old', cidrs: ['203.0.113.0/24'] },
    ],
    classes: [
      { id: 'tcp443_aaaaaaaaaaaa', ports: HTTPS },
      { id: 'any_bbbbbbbbbbbb', ports: 'all' },
      { id: 'tcp443', ports: HTTPS },
      { id: 'tcp443_cccccccccccc', ports: HTTPS },
    ],
    programs: [
      // Everything in the order in which it must be asked: admin leaves to normal what it passes, baseline to the end.
      programOf(
        '0123456789ab',
        [
          { tier: 'admin', deny: [{ to: 0, traffic: 'all', rule: 0 }], classes: [0] },
          {
            tier: 'admin',
            deny: [
              { to: 3, traffic: 'all', rule: 1, isAudited: true },
              { to: 5, traffic: 'all', rule: 2 },
            ],
            pass: [{ to: 1, traffic: 'all', rule: 3 }],
            classes: [1],
            allow: [{ to: 'host', traffic: { ports: HTTPS, icmp: [] }, rule: 4 }],
          },
          { tier: 'admin', deny: [{ to: 2, traffic: { ports: HTTPS, icmp: [] }, rule: 5 }] },
          {
            tier: 'normal',
            deny: [{ to: 4, traffic: { ports: HTTPS, icmp: ICMP }, rule: 6 }],
            classes: [2],
            allow: [{ to: 4, traffic: 'all', rule: 7 }],
          },
          { tier: 'normal', deny: [{ to: 'any', traffic: 'all', rule: 8, isAudited: true }] },
          { tier: 'baseline', pass: [{ to: 1, traffic: 'all', rule: 9 }], classes: [3] },
          { tier: 'baseline', deny: [{ to: 'any', traffic: 'all', rule: 10 }] },
        ],
        { otherwise: 'allow' },
      ),
    ],
  },
  // The pod was isolated and denied a range, which a name opens now; what is denied now is another one.
  changing: {
    ...TWO_PODS,
    pods: [{ addresses: ['10.0.1.7', '2001:db8:1::7'], owner: 'a7', interface: 'veth7', programId: '0123456789ab_ba9876543210' }],
    destinations: [
      { key: 'range', cidrs: ['192.0.2.0/24'] },
      { key: 'range before', cidrs: ['198.51.100.0/24'] },
    ],
    programs: [
      programOf(
        '0123456789ab_ba9876543210',
        [{ tier: 'admin', deny: [{ to: 0, traffic: 'all', rule: 0 }], classes: [2] }],
        {
          otherwise: 'allow',
          former: {
            otherwise: 'deny',
            segments: [
              segmentOf({
                tier: 'admin',
                deny: [{ to: 1, traffic: 'all', rule: 0, isAudited: true }],
                pass: [{ to: 0, traffic: 'all', rule: 1 }],
              }),
              segmentOf({ deny: [{ to: 1, traffic: { ports: HTTPS, icmp: [] }, rule: 2 }], classes: [0] }),
            ],
          },
        },
      ),
    ],
  },
  'unknown-pods': { ...TWO_PODS, guardedRanges: ['10.0.1.0/24', '10.0.1.128/25', '2001:db8:1::/64'] },
  'over-an-older-ruleset': {
    ...TWO_PODS,
    existing: {
      sets: ['bound4', 'grants4_tcp443', 'grants6_tcp443', 'grants4_tcp22', 'known4', 'guarded4', 'forgotten'],
      maps: ['policy4', 'policy6', 'old_map'],
      chains: ['intercept', 'egress', 'deny', 'policy_ffffffffffff'], chainTexts: new Map(), elements: new Map(), hasBridgeGuard: false },
  },
};

export function goldenText(name: string): string {
  return readFileSync(goldenUrl(name), 'utf8');
}

export function writeGolden(name: string, text: string): void {
  writeFileSync(goldenUrl(name), text);
}

function goldenUrl(name: string): URL {
  return new URL(`${name}.nft`, import.meta.url);
}
