// What is known of a connection beside its packets: whose it is, the rule that decides about it, and what was asked for before a Service translated
// it. Of one state; asks the kernel only for translations.
import { formatAddress } from '../base/ip.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import type { LoggedPacket } from '../kernel/packet-log.ts';
import { protectedRanges, RangeMatcher } from '../kernel/protected.ts';
import { readElements } from '../kernel/table-dump.ts';
import type { TableReader } from '../kernel/table-reader.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { RuleRef } from '../policy/compiled.ts';
import type { Config } from './config.ts';
import { extraRanges } from './inputs.ts';
import { FlowJudge, targetOf } from './judge-flow.ts';
import type { Target } from './judge-flow.ts';
import type { State } from './state.ts';

export interface KnownPod {
  readonly pod: RegisteredPod;
  /** Index into the programs; -1: no policy selects it. */
  readonly program: number;
}

export class ConnectionFacts {
  readonly state: State;
  readonly #pods: ReadonlyMap<string, KnownPod>;
  readonly #ranges: RangeMatcher;
  readonly #judge: FlowJudge;

  constructor(config: Pick<Config, 'protect' | 'internalZones'>, state: State) {
    const { registry, compiled, inputs } = state;
    const pods = registry.pods.flatMap((pod, i) =>
      pod.pod.addresses.map((address): [string, KnownPod] => [
        address,
        { pod, program: compiled.programOfPod[i] ?? -1 },
      ]),
    );
    this.state = state;
    this.#pods = new Map(pods);
    this.#ranges = new RangeMatcher(protectedRanges(extraRanges(config, inputs)));
    this.#judge = new FlowJudge(config, state);
  }

  podOf(address: Uint8Array): KnownPod | undefined {
    return this.#pods.get(formatAddress(address));
  }

  /** Why the range that the address lies in is closed, if it is. */
  rangeReason(address: Uint8Array): string | undefined {
    return this.#ranges.reason(this.#ranges.indexOf(address, 0));
  }

  /** The rule that denies the packet; undefined: it says so no longer. */
  denyingRule(program: number, packet: SentPacket, names: readonly RecalledName[]): RuleRef | undefined {
    const { verdict, rule } = this.#judge.judge(program, targetOfPacket(packet), names);
    return verdict === 'deny' ? this.state.compiled.rules[rule] : undefined;
  }

  /** What would deny it, if neither it nor the pod were in audit mode; undefined: no rule, or none any longer. */
  wouldBeDenier(program: number, packet: SentPacket, names: readonly RecalledName[]): Denier | undefined {
    const { rules, programs } = this.state.compiled;
    const { verdict, rule, told } = this.#judge.judge(program, targetOfPacket(packet), names);
    const [first = verdict === 'deny' ? rule : -1] = told;
    const policy = rules[first];
    if (policy === undefined) return undefined;
    return { policy, isByRule: programs[program]?.auditedBy.includes(first) !== true };
  }

  /** The rule that lets the connection be: of a name that was looked up, or of addresses. */
  allowingRule(program: number, flow: ReachedFlow, names: readonly RecalledName[]): RuleRef | undefined {
    const { verdict, rule } = this.#judge.judge(program, targetOf(flow), names);
    return verdict === 'allow' ? this.state.compiled.rules[rule] : undefined;
  }
}

export interface Denier {
  readonly policy: RuleRef;
  /** False: that no rule allows it. */
  readonly isByRule: boolean;
}

/** What of a packet says where it goes. */
type SentPacket = Pick<LoggedPacket, 'destination' | 'protocol' | 'icmpType' | 'destinationPort'>;

function targetOfPacket({ destination, protocol, icmpType, destinationPort }: SentPacket): Target {
  return { address: destination, protocol, port: icmpType ?? destinationPort };
}

/** What of a flow says where it goes. */
type ReachedFlow = Pick<Flow, 'replySource' | 'replySourcePort' | 'protocol'>;

type Original = NonNullable<LoggedPacket['original']>;

/**
 * What denied packets of the last seconds had asked for before translation (sets `translated4`, `translated6`): for kernels that do not tell it
 * with a logged packet.
 */
export function readTranslations(reader: TableReader): (packet: LoggedPacket) => Original | undefined {
  const found = new Map<string, Original>();
  for (const [set, width] of [['translated4', 4] as const, ['translated6', 16] as const]) {
    for (const { key } of readElements(reader, set)) {
      // pod . protocol . pod port . destination . port: each part filled up to 4 bytes
      const source = addressAt(key, 0, width);
      const protocol = key[width] ?? 0;
      const sourcePort = portAt(key, width + 4);
      const destination = addressAt(key, width + 8, width);
      const original = { destination, destinationPort: portAt(key, 2 * width + 8) };
      found.set(`${formatAddress(source)} ${protocol} ${sourcePort}`, original);
    }
  }
  return ({ source, protocol, sourcePort }) => found.get(`${formatAddress(source)} ${protocol} ${sourcePort}`);
}

function addressAt(key: Uint8Array, at: number, width: 4 | 16): Uint8Array {
  if (width === 16) return key.slice(at, at + 16);
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...key.subarray(at, at + 4));
}

function portAt(key: Uint8Array, at: number): number {
  return ((key[at] ?? 0) << 8) | (key[at + 1] ?? 0);
}
