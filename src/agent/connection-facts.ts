// What is known of a connection beside its packets: whose it is, the rule that decides about it, and what was asked for before a Service translated
// it. Of one state; asks the kernel only for translations.
import { formatAddress } from '../base/ip.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import type { LoggedPacket } from '../kernel/packet-log.ts';
import { NEVER_GRANTED, protectedRanges, RangeMatcher } from '../kernel/protected.ts';
import { readElements } from '../kernel/table-dump.ts';
import type { TableReader } from '../kernel/table-reader.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { RuleRef } from '../policy/compiled.ts';
import { staticVerdict } from '../policy/static-match.ts';
import type { Config } from './config.ts';
import { extraRanges } from './inputs.ts';
import { packetOf } from './judge-flow.ts';
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
  readonly #never = new RangeMatcher(NEVER_GRANTED);

  constructor(config: Config, state: State) {
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
  }

  podOf(address: Uint8Array): KnownPod | undefined {
    return this.#pods.get(formatAddress(address));
  }

  /** Why the range that the address lies in is closed, if it is. */
  rangeReason(address: Uint8Array): string | undefined {
    return this.#ranges.reason(this.#ranges.indexOf(address, 0));
  }

  /** The rule that denies the packet, or that would if its policy did not only audit. */
  denyingRule(program: number, packet: LoggedPacket): RuleRef | undefined {
    const { compiled } = this.state;
    const asked = packetOf(packet.destination, packet.protocol, packet.icmpType ?? packet.destinationPort);
    const { verdict, rule, told } = staticVerdict(compiled, program, asked, (each) => this.#never.includes(each, 0));
    if (verdict === 'deny') return compiled.rules[rule];
    const [first] = told;
    return first === undefined ? undefined : compiled.rules[first];
  }

  /** The rule that lets the connection be: of a name that was looked up, else of addresses. */
  allowingRule(program: number, flow: ReachedFlow, names: readonly RecalledName[]): RuleRef | undefined {
    const { compiled } = this.state;
    const granting = names.find(({ classes }) => classes.length > 0);
    if (granting !== undefined) return compiled.rules[granting.rule];
    const asked = packetOf(flow.replySource, flow.protocol, flow.replySourcePort);
    const { verdict, rule } = staticVerdict(compiled, program, asked, (each) => this.#never.includes(each, 0));
    return verdict === 'allow' ? compiled.rules[rule] : undefined;
  }
}

/** What of a flow says where it goes. */
interface ReachedFlow {
  readonly replySource: Uint8Array;
  readonly replySourcePort: number;
  readonly protocol: number;
}

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
