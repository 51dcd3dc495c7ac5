// What policy says now of a connection: the order of a program's chain (kernel/program-chains.ts), in user space. It may say no where the kernel would say
// yes, of names that were forgotten; never the other way round.
import { networkInterfaces } from 'node:os';
import { canonicalAddress, formatAddress } from '../base/ip.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import { NEVER_GRANTED, RangeMatcher } from '../kernel/protected.ts';
import type { CompiledPolicy, PortClass } from '../policy/compiled.ts';
import { judgePacket } from '../policy/static-match.ts';
import type { PacketVerdict, StaticPacket } from '../policy/static-match.ts';
import type { Config } from './config.ts';
import { closedInKernel } from './inputs.ts';
import type { State } from './state.ts';

const PROTOCOLS: Readonly<Record<number, StaticPacket['protocol']>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmpv6',
  132: 'sctp',
};

/** Where a packet goes, behind every translation. */
export interface Target {
  /** 16 bytes. */
  readonly address: Uint8Array;
  /** IP protocol number. */
  readonly protocol: number;
  /** Of ICMP the type. */
  readonly port: number;
}

export class FlowJudge {
  readonly #policy: CompiledPolicy;
  readonly #protected: RangeMatcher;
  readonly #never = new RangeMatcher(NEVER_GRANTED);
  readonly #own: ReadonlySet<string>;

  constructor(config: Pick<Config, 'protect' | 'internalZones'>, { compiled, inputs }: State, own = ownAddresses()) {
    this.#policy = compiled;
    this.#protected = new RangeMatcher(closedInKernel(config, inputs, compiled.answerRanges));
    this.#own = own;
  }

  /** `names`: what the flow's pod saw resolve to its real destination, with the classes of this state that open it. */
  isAllowed(program: number, flow: Flow, names: readonly RecalledName[]): boolean {
    const { verdict } = this.judge(program, targetOf(flow), names);
    if (verdict !== 'none') return verdict === 'allow';
    return this.#policy.programs[program]?.otherwise !== 'deny';
  }

  /** The rule is also that of a name, where a name opens it. */
  judge(program: number, { address, protocol, port }: Target, names: readonly RecalledName[]): PacketVerdict {
    const isHost = this.#own.has(formatAddress(address));
    const packet: StaticPacket = { address, protocol: PROTOCOLS[protocol] ?? protocol, port, isHost };
    const mayBeGranted = !isHost && !this.#protected.includes(address, 0);
    let granting: RecalledName | undefined;
    const isGranted = (asked: readonly number[]): boolean => {
      const opens = (k: number): boolean => asked.includes(k) && covers(this.#policy.classes[k], packet);
      granting = mayBeGranted ? names.find(({ classes }) => classes.some(opens)) : undefined;
      return granting !== undefined;
    };
    const isNeverGranted = (each: Uint8Array): boolean => this.#never.includes(each, 0);
    const judged = judgePacket(this.#policy, program, packet, { isGranted, isNeverGranted });
    return granting === undefined ? judged : { ...judged, rule: granting.rule };
  }
}

/** What was asked of a Service is judged as what answers. */
export function targetOf({
  replySource,
  protocol,
  replySourcePort,
}: Pick<Flow, 'replySource' | 'protocol' | 'replySourcePort'>): Target {
  return { address: replySource, protocol, port: replySourcePort };
}

/** Canonical addresses of this node. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.flatMap(({ address }) => canonicalAddress(address) ?? []));
}

function covers(portClass: PortClass | undefined, { protocol, port }: StaticPacket): boolean {
  if (portClass === undefined) return false;
  if (portClass.ports === 'all') return true;
  return portClass.ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}
