// What policy says now of a connection that is open already: the order of a program's chain (kernel/egress.ts), in user space. It may say no
// where the kernel would say yes, of names that were forgotten; never the other way round.
import { networkInterfaces } from 'node:os';
import { canonicalAddress, formatAddress } from '../base/ip.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import { NEVER_GRANTED, RangeMatcher } from '../kernel/protected.ts';
import type { CompiledPolicy, PortClass } from '../policy/compiled.ts';
import { judgePacket } from '../policy/static-match.ts';
import type { StaticPacket } from '../policy/static-match.ts';
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

export class FlowJudge {
  readonly #policy: CompiledPolicy;
  readonly #protected: RangeMatcher;
  readonly #never = new RangeMatcher(NEVER_GRANTED);
  readonly #own: ReadonlySet<string>;

  constructor(config: Config, { compiled, inputs }: State, own = ownAddresses()) {
    this.#policy = compiled;
    this.#protected = new RangeMatcher(closedInKernel(config, inputs, compiled.answerRanges));
    this.#own = own;
  }

  /** `names`: what the flow's pod saw resolve to its real destination, with the classes of this state that open it. */
  isAllowed(program: number, flow: Flow, names: readonly RecalledName[]): boolean {
    // What was asked of a Service is judged as what answers.
    const packet = packetOf(flow.replySource, flow.protocol, flow.replySourcePort, this.#own);
    const opened = new Set(names.flatMap(({ classes }) => classes));
    const mayBeGranted = !packet.isHost && !this.#protected.includes(packet.address, 0);
    const { verdict } = judgePacket(this.#policy, program, packet, {
      isGranted: (classes) =>
        mayBeGranted && classes.some((k) => opened.has(k) && covers(this.#policy.classes[k], packet)),
      isNeverGranted: (address) => this.#never.includes(address, 0),
    });
    if (verdict !== 'none') return verdict === 'allow';
    return this.#policy.programs[program]?.otherwise !== 'deny';
  }
}

/** `port`: of ICMP the type. */
export function packetOf(address: Uint8Array, protocol: number, port: number, own = ownAddresses()): StaticPacket {
  return { address, protocol: PROTOCOLS[protocol] ?? protocol, port, isHost: own.has(formatAddress(address)) };
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
