// What the node is loaded with in each round of `filter`, as text for a program's standard input. In all of them one destination range is
// allowed by the last rule or class that is asked, and a packet to anywhere else is denied.
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { protectedRanges } from '../../src/kernel/protected.ts';
import { ruleset } from '../../src/kernel/ruleset.ts';
import type { RulesetInput } from '../../src/kernel/ruleset.ts';
import type { PortClass, Program } from '../../src/policy/compiled.ts';
import { programOf } from '../support/program.ts';

export interface Setup {
  readonly name: string;
  readonly program: readonly string[];
  readonly text: string;
}

/** The pod whose connections are measured. */
export const POD = { interface: 'veth-pod', v4: '10.0.1.7', v6: 'fd00:10:1::7' } as const;
/** What it connects to, in turn: 198.51.100.0 and those that follow, as many as a power of two. */
export const LOAD = { first: '198.51.100.0', destinations: 64, cidr: '198.51.100.0/26' } as const;
export const CLASS_COUNTS = [1, 3] as const;
export type ClassCount = (typeof CLASS_COUNTS)[number];
export const GRANTS = [0, 100, 10_000, 100_000] as const;
export const RULES = [100, 8_576, 30_000] as const;
export type IptablesVariant = 'iptables' | 'iptables-established' | 'iptables-legacy';

const PODS = 250;
const PROGRAMS = 10;
const ELEMENTS_PER_LINE = 10_000;
/** 443, which is measured, stands last: the classes before it are asked first. */
const PORTS = [80, 8443, 443];

/** No rule and no chain: routing, and connection tracking, which every setup has. */
export const NO_RULES: Setup = { name: 'no-rules', program: ['true'], text: '' };

export function grantsName(grants: number, classes: ClassCount): string {
  return `${grants} grants, ${classes === 1 ? 'one class' : `${classes} classes`}`;
}

/** Our whole ruleset for a node of 250 pods; `grants` of them all, and beside those the ones that the load uses. */
export function ours(grants: number, classes: ClassCount): Setup {
  const input = rulesetInput(classes);
  const elements: string[][] = input.classes.map(() => []);
  for (let i = 0; i < grants; i++) elements[i % classes]?.push(`${podAddress(i % PODS)} . ${address(11, i)}`);
  elements.at(-1)?.push(...loadAddresses().map((to) => `${POD.v4} . ${to}`));
  const lines = input.classes.flatMap(({ id }, index) => addElements(`grants4_${id}`, elements[index] ?? []));
  return {
    name: grantsName(grants, classes),
    program: ['nft', '-f', '-'],
    text: [ruleset(input).text, ...lines, ''].join('\n'),
  };
}

/**
 * A list of `rules` rules, the ones for the load last: every packet walks it. With `-established` a rule before it lets the packets of known
 * connections pass, and only the first of each walks.
 */
export function iptables(variant: IptablesVariant, rules: number): Setup {
  const others = Array.from({ length: rules - 2 }, (_, i) => `-A FORWARD -d ${address(11, i)}/32 -j ACCEPT`);
  const lines = [
    '*filter',
    ':FORWARD DROP',
    ...(variant === 'iptables-established' ? ['-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT'] : []),
    ...others,
    `-A FORWARD -s ${LOAD.cidr} -j ACCEPT`,
    `-A FORWARD -d ${LOAD.cidr} -j ACCEPT`,
    'COMMIT',
    '',
  ];
  const program = variant === 'iptables-legacy' ? 'iptables-legacy-restore' : 'iptables-nft-restore';
  return { name: `${variant}-${rules}`, program: [program], text: lines.join('\n') };
}

/** Everything that a node in a cluster has: each pod bound to its interface, and the pod ranges guarded. */
function rulesetInput(classCount: ClassCount): RulesetInput {
  const classes = PORTS.slice(-classCount).map((port): PortClass => {
    return { id: `tcp${port}`, ports: [{ protocol: 'tcp', first: port, last: port }] };
  });
  const indexes = classes.map((_, index) => index);
  const programs = Array.from({ length: PROGRAMS }, (_, i): Program => {
    return programOf(hex(i), [{ classes: indexes }]);
  });
  const pods = Array.from({ length: PODS }, (_, i) => ({
    addresses: [podAddress(i), `fd00:10:1::${(i + 2).toString(16)}`],
    interface: podAddress(i) === POD.v4 ? POD.interface : `veth${i}`,
    programId: hex(i % PROGRAMS),
    owner: hex(i),
  }));
  const podRanges = ['10.0.1.0/24', 'fd00:10:1::/64'];
  return {
    mark: 0x100000,
    dnsServers: [CLUSTER_DNS.v4, CLUSTER_DNS.v6],
    whenDown: 'closed',
    verdict: 'reject',
    logGroup: 5310,
    interceptedAddresses: pods.flatMap(({ addresses }) => addresses),
    pods,
    gateways: [],
    podLinks: [],
    leftAddresses: [],
    guardedRanges: podRanges,
    destinations: [],
    classes,
    programs,
    protectedRanges: protectedRanges({
      protect: [],
      cidrs: [...podRanges, '10.96.0.0/16'].map((cidr) => ({ cidr, reason: 'pod-range' })),
    }),
    queriesPerSecondPerPod: 1_000,
    existing: {
      sets: [],
      maps: [],
      chains: [],
      chainTexts: new Map(),
      elements: new Map(),
      hasBridgeGuard: false,
    },
  };
}

function addElements(set: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < elements.length; i += ELEMENTS_PER_LINE) {
    const some = elements.slice(i, i + ELEMENTS_PER_LINE).map((element) => `${element} timeout 1h`);
    lines.push(`add element inet namewall ${set} { ${some.join(', ')} }`);
  }
  return lines;
}

function loadAddresses(): string[] {
  return Array.from({ length: LOAD.destinations }, (_, i) => LOAD.first.replace(/0$/, String(i)));
}

/** 10.0.1.2 and those that follow; POD.v4 is one of them. */
function podAddress(i: number): string {
  return `10.0.1.${i + 2}`;
}

function address(first: number, n: number): string {
  return [first, n >>> 16, (n >>> 8) & 255, n & 255].join('.');
}

function hex(n: number): string {
  return n.toString(16).padStart(12, '0');
}
