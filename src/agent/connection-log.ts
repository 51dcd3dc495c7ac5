// Connections of selected pods, from the kernel to the audit log: what rules refused and logged, what conntrack saw begin and end. Read on a
// timer, named by what the pod looked up. It decides nothing; what it cannot read or keep is counted as lost.
import {
  connectionClosed,
  connectionCut,
  connectionDenied,
  connectionOpened,
  readPrefix,
} from '../audit/connection.ts';
import type { ConnectionContext } from '../audit/connection.ts';
import type { AuditDrain } from '../audit/drain.ts';
import { formatAddress } from '../base/ip.ts';
import type { RecalledName, RecallQuestion } from '../bridge/protocol.ts';
import { ConntrackEvents } from '../kernel/conntrack-events.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import { PacketLog } from '../kernel/packet-log.ts';
import type { LoggedPacket } from '../kernel/packet-log.ts';
import { protectedRanges, RangeMatcher } from '../kernel/protected.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { Sys } from '../sys/sys.ts';
import type { Config } from './config.ts';
import type { DatapathHost } from './datapath-host.ts';
import { extraRanges } from './rules.ts';
import type { State } from './state.ts';

const READ_MS = 50;
/** Of each kind at one reading; the rest waits in the socket. */
const AT_ONCE = 500;
const PACKETS_BUFFER_BYTES = 1024 * 1024;
const EVENTS_BUFFER_BYTES = 4 * 1024 * 1024;
/** Open connections whose beginning is remembered, for how long they lasted; the oldest go first. */
const REMEMBERED = 65_536;

export interface ConnectionLogParts {
  readonly datapath: Pick<DatapathHost, 'recall'>;
  readonly drain: Pick<AuditDrain, 'tell' | 'lost'>;
  readonly state: () => State;
}

interface Opened {
  readonly wallMs: number;
  readonly names: readonly RecalledName[];
}

export class ConnectionLog {
  readonly #config: Config;
  readonly #sys: Sys;
  #parts: ConnectionLogParts | undefined;
  readonly #packets: PacketLog | undefined;
  readonly #events: ConntrackEvents | undefined;
  readonly #opened = new Map<string, Opened>();
  #known: Knowledge | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();

  private constructor(config: Config, sys: Sys) {
    this.#config = config;
    this.#sys = sys;
    const { logGroup, connections } = config;
    this.#packets = logGroup === 0 ? undefined : PacketLog.open(sys, logGroup, PACKETS_BUFFER_BYTES);
    this.#events = connections === 'all' ? ConntrackEvents.open(sys, EVENTS_BUFFER_BYTES) : undefined;
  }

  /** From here on the kernel keeps what happens, until `start` reads it. Throws SysError, and KernelError when another program has the log group. */
  static open(config: Config, sys: Sys): ConnectionLog {
    return new ConnectionLog(config, sys);
  }

  start(parts: ConnectionLogParts): void {
    this.#parts = parts;
    this.#again();
  }

  /** A connection that a change of policy, or its age, has ended. */
  tellCut(flow: Flow, pod: RegisteredPod, reason: string): void {
    const names = this.#opened.get(keyOf(flow))?.names ?? [];
    this.#parts?.drain.tell(connectionCut(flow, this.#about(pod, names), reason));
  }

  /** Reads what is left. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#reading;
    await this.#read();
    this.#packets?.close();
    this.#events?.close();
  }

  #again(): void {
    this.#timer = setTimeout(() => {
      this.#reading = this.#read().finally(() => this.#again());
    }, READ_MS);
  }

  async #read(): Promise<void> {
    if (this.#parts === undefined) return;
    const { drain, state } = this.#parts;
    const { pods } = this.#knowledge(state());
    const packets: LoggedPacket[] = [];
    const flows: { kind: 'new' | 'destroyed'; flow: Flow; pod: KnownPod }[] = [];
    const read = this.#packets?.read((packet) => packets.push(packet), AT_ONCE);
    const seen = this.#events?.read((kind, flow) => {
      const pod = pods.get(formatAddress(flow.source));
      if (pod !== undefined && pod.program >= 0) flows.push({ kind, flow, pod });
    }, AT_ONCE);
    drain.lost((read?.lost ?? 0) + (read?.unreadable ?? 0) + (seen?.isLossy === true ? 1 : 0));
    await this.#tellDenied(packets, this.#knowledge(state()));
    await this.#tellOpened(flows.flatMap(({ kind, flow, pod }) => (kind === 'new' ? [{ flow, pod }] : [])));
    for (const { kind, flow, pod } of flows) if (kind === 'destroyed') this.#tellClosed(flow, pod);
  }

  async #tellDenied(packets: readonly LoggedPacket[], { state, pods, ranges }: Knowledge): Promise<void> {
    const about = packets.map((packet) => ({ packet, pod: pods.get(formatAddress(packet.source)) }));
    const names = await this.#names(
      about.map(({ packet, pod }) => pod && { pod: pod.pod.id, address: packet.destination }),
    );
    about.forEach(({ packet, pod }, i) => {
      const range = ranges.reason(ranges.indexOf(packet.destination, 0));
      const isRange = readPrefix(packet.prefix).reason === 'never-granted' && range !== undefined;
      const known = { ...this.#about(pod?.pod, names[i] ?? []), classes: state.compiled.classes };
      this.#parts?.drain.tell(connectionDenied(packet, isRange ? { ...known, rangeReason: range } : known));
    });
  }

  async #tellOpened(flows: readonly { readonly flow: Flow; readonly pod: KnownPod }[]): Promise<void> {
    const names = await this.#names(flows.map(({ flow, pod }) => ({ pod: pod.pod.id, address: flow.replySource })));
    flows.forEach(({ flow, pod }, i) => {
      const opened = { wallMs: this.#sys.wallMs(), names: names[i] ?? [] };
      this.#opened.set(keyOf(flow), opened);
      this.#parts?.drain.tell(connectionOpened(flow, this.#about(pod.pod, opened.names)));
    });
    for (const key of this.#opened.keys()) {
      if (this.#opened.size <= REMEMBERED) break;
      this.#opened.delete(key);
    }
  }

  #tellClosed(flow: Flow, { pod }: KnownPod): void {
    const key = keyOf(flow);
    const opened = this.#opened.get(key);
    this.#opened.delete(key);
    this.#parts?.drain.tell(connectionClosed(flow, this.#about(pod, opened?.names ?? []), opened?.wallMs));
  }

  /** An answer for each question, also where there is none to ask. */
  async #names(questions: readonly (RecallQuestion | undefined)[]): Promise<readonly (readonly RecalledName[])[]> {
    const asked = questions.flatMap((question) => question ?? []);
    const answers = asked.length === 0 ? [] : await this.#parts?.datapath.recall(asked);
    let next = 0;
    return questions.map((question) => (question === undefined ? [] : (answers?.[next++] ?? [])));
  }

  #about(pod: RegisteredPod | undefined, names: readonly RecalledName[]): ConnectionContext {
    return { pod: pod?.pod, names, policy: undefined, nowWallMs: this.#sys.wallMs() };
  }

  #knowledge(state: State): Knowledge {
    if (this.#known?.state === state) return this.#known;
    const { registry, compiled, inputs } = state;
    const pods = registry.pods.flatMap((pod, i) =>
      pod.pod.addresses.map((address): [string, KnownPod] => [
        address,
        { pod, program: compiled.programOfPod[i] ?? -1 },
      ]),
    );
    const ranges = new RangeMatcher(protectedRanges(extraRanges(this.#config, inputs)));
    this.#known = { state, pods: new Map(pods), ranges };
    return this.#known;
  }
}

/** What is asked of one state for every packet. */
interface Knowledge {
  readonly state: State;
  readonly pods: ReadonlyMap<string, KnownPod>;
  readonly ranges: RangeMatcher;
}

interface KnownPod {
  readonly pod: RegisteredPod;
  readonly program: number;
}

function keyOf({ id, source, sourcePort, protocol }: Flow): string {
  return `${id} ${formatAddress(source)} ${sourcePort} ${protocol}`;
}
