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
import type { DenialReason } from '../audit/event.ts';
import type { AuditDrain } from '../audit/drain.ts';
import { formatAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { RecalledName, RecallQuestion } from '../bridge/protocol.ts';
import { ConntrackEvents } from '../kernel/conntrack-events.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import { PacketLog } from '../kernel/packet-log.ts';
import type { LoggedPacket } from '../kernel/packet-log.ts';
import type { TableReader } from '../kernel/table-reader.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { RuleRef } from '../policy/compiled.ts';
import type { Sys } from '../sys/sys.ts';
import type { Config } from './config.ts';
import { ConnectionFacts, readTranslations } from './connection-facts.ts';
import type { Denier, KnownPod } from './connection-facts.ts';
import type { DatapathHost } from './datapath-host.ts';
import { DenialCounts } from './denial-counts.ts';
import type { State } from './state.ts';

const READ_MS = 50;
/** Of each kind at one reading; the rest waits in the socket. */
const AT_ONCE = 500;
const PACKETS_BUFFER_BYTES = 1024 * 1024;
const EVENTS_BUFFER_BYTES = 4 * 1024 * 1024;
/** Open connections whose beginning is remembered, for how long they lasted and what they were opened under; the oldest go first. */
const REMEMBERED = 65_536;
/** How often the kernel's exact counts are compared with what was logged. */
const COUNT_MS = 10_000;

export interface ConnectionLogParts {
  readonly reader: TableReader;
  readonly datapath: Pick<DatapathHost, 'recall'>;
  readonly drain: Pick<AuditDrain, 'tell' | 'lost'>;
  readonly state: () => State;
  readonly log: Logger;
}

interface Opened {
  readonly wallMs: number;
  readonly names: readonly RecalledName[];
  readonly policy: RuleRef | undefined;
}

export class ConnectionLog {
  readonly #config: Config;
  readonly #sys: Sys;
  readonly #packets: PacketLog | undefined;
  readonly #events: ConntrackEvents | undefined;
  readonly #counts = new DenialCounts();
  readonly #opened = new Map<string, Opened>();
  #parts: ConnectionLogParts | undefined;
  #facts: ConnectionFacts | undefined;
  #countAtMs = 0;
  #isTold = false;
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
  tellCut(flow: Flow, pod: RegisteredPod, reason: string, recalled: readonly RecalledName[] = []): void {
    const opened = this.#opened.get(keyOf(flow));
    // Of one that is older than the policy, or than this process, its beginning is not known.
    const names = opened === undefined || opened.names.length === 0 ? recalled : opened.names;
    this.#parts?.drain.tell(connectionCut(flow, this.#about(pod, names, opened?.policy), reason));
  }

  /** Reads what is left. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#reading;
    clearTimeout(this.#timer);
    this.#countAtMs = 0;
    await this.#read();
    this.#packets?.close();
    this.#events?.close();
  }

  #again(): void {
    this.#timer = setTimeout(() => {
      this.#reading = this.#read()
        .catch((error: unknown) => this.#complain(error))
        .finally(() => this.#again());
    }, READ_MS);
  }

  /** The log of connections is not what enforces: it goes on, and what it missed is counted. */
  #complain(error: unknown): void {
    this.#parts?.drain.lost(1);
    if (this.#isTold) return;
    this.#isTold = true;
    this.#parts?.log.error(
      { error: String(error) },
      'Cannot read some connections for the audit log: they are counted as lost',
    );
  }

  async #read(): Promise<void> {
    if (this.#parts === undefined) return;
    const { drain, state } = this.#parts;
    const facts = this.#factsOf(state());
    const packets: LoggedPacket[] = [];
    const flows: { kind: 'new' | 'destroyed'; flow: Flow; pod: KnownPod }[] = [];
    const read = this.#packets?.read((packet) => packets.push(packet), AT_ONCE);
    const seen = this.#events?.read((kind, flow) => {
      const pod = facts.podOf(flow.source);
      if (pod !== undefined && pod.program >= 0) flows.push({ kind, flow, pod });
    }, AT_ONCE);
    drain.lost((read?.lost ?? 0) + (read?.unreadable ?? 0) + (seen?.isLossy === true ? 1 : 0));
    await this.#tellDenied(packets, facts);
    await this.#tellOpened(
      flows.flatMap(({ kind, flow, pod }) => (kind === 'new' ? [{ flow, pod }] : [])),
      facts,
    );
    for (const { kind, flow, pod } of flows) if (kind === 'destroyed') this.#tellClosed(flow, pod);
    this.#tellCounts(facts);
  }

  async #tellDenied(packets: readonly LoggedPacket[], facts: ConnectionFacts): Promise<void> {
    if (packets.length === 0) return;
    const reader = this.#packets?.tellsOriginal === false ? this.#parts?.reader : undefined;
    const translation = reader && readTranslations(reader);
    const about = packets.map((packet) => ({ packet, known: facts.podOf(packet.source) }));
    const names = await this.#names(
      about.map(({ packet, known }) => known && { pod: known.pod.id, address: packet.destination }),
    );
    about.forEach(({ packet, known }, i) => {
      const { reason } = readPrefix(packet.prefix);
      if (DenialCounts.isCounted(reason)) this.#counts.logged(packet.source);
      const resolved = names[i] ?? [];
      const denier = known && denierOf(reason, facts, { program: known.program, packet, names: resolved });
      const range = reason === 'never-granted' ? facts.rangeReason(packet.destination) : undefined;
      const context = {
        ...this.#about(known?.pod, resolved, denier?.policy),
        classes: facts.state.compiled.classes,
        isByRule: denier?.isByRule === true,
        ...(range === undefined ? {} : { rangeReason: range }),
      };
      const original = packet.original ?? translation?.(packet);
      this.#parts?.drain.tell(connectionDenied({ ...packet, original }, context));
    });
  }

  async #tellOpened(
    flows: readonly { readonly flow: Flow; readonly pod: KnownPod }[],
    facts: ConnectionFacts,
  ): Promise<void> {
    const names = await this.#names(flows.map(({ flow, pod }) => ({ pod: pod.pod.id, address: flow.replySource })));
    flows.forEach(({ flow, pod }, i) => {
      const known = names[i] ?? [];
      const policy = facts.allowingRule(pod.program, flow, known);
      this.#opened.set(keyOf(flow), { wallMs: this.#sys.wallMs(), names: known, policy });
      this.#parts?.drain.tell(connectionOpened(flow, this.#about(pod.pod, known, policy)));
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
    const about = this.#about(pod, opened?.names ?? [], opened?.policy);
    this.#parts?.drain.tell(connectionClosed(flow, about, opened?.wallMs));
  }

  /** The kernel logs a few packets a second of each pod and counts all of them: the rest is told as a number. */
  #tellCounts(facts: ConnectionFacts): void {
    const reader = this.#parts?.reader;
    if (reader === undefined || this.#packets === undefined || this.#sys.nowMs() < this.#countAtMs) return;
    this.#countAtMs = this.#sys.nowMs() + COUNT_MS;
    for (const { address, denied } of this.#counts.unlogged(reader)) {
      const pod = facts.podOf(address)?.pod.pod;
      const auditPod = pod === undefined ? null : { namespace: pod.namespace, name: pod.name, uid: pod.uid };
      const time = new Date(this.#sys.wallMs()).toISOString();
      const client = formatAddress(address);
      this.#parts?.drain.tell({ time, event: 'connection.folded', pod: auditPod, client, denied });
    }
  }

  /** An answer for each question, also where there is none to ask. */
  async #names(questions: readonly (RecallQuestion | undefined)[]): Promise<readonly (readonly RecalledName[])[]> {
    const asked = questions.flatMap((question) => question ?? []);
    const answers = asked.length === 0 ? [] : await this.#parts?.datapath.recall(asked);
    let next = 0;
    return questions.map((question) => (question === undefined ? [] : (answers?.[next++] ?? [])));
  }

  #about(
    pod: RegisteredPod | undefined,
    names: readonly RecalledName[],
    policy: RuleRef | undefined,
  ): ConnectionContext {
    return { pod: pod?.pod, names, policy, nowWallMs: this.#sys.wallMs() };
  }

  #factsOf(state: State): ConnectionFacts {
    if (this.#facts?.state !== state) this.#facts = new ConnectionFacts(this.#config, state);
    return this.#facts;
  }
}

interface Denied {
  readonly program: number;
  readonly packet: LoggedPacket;
  readonly names: readonly RecalledName[];
}

/** Other reasons have no rule. */
function denierOf(
  reason: DenialReason,
  facts: ConnectionFacts,
  { program, packet, names }: Denied,
): Denier | undefined {
  if (reason === 'would-deny') return facts.wouldBeDenier(program, packet, names);
  const policy = reason === 'deny-rule' ? facts.denyingRule(program, packet, names) : undefined;
  return policy && { policy, isByRule: true };
}

function keyOf({ id, source, sourcePort, protocol }: Flow): string {
  return `${id} ${formatAddress(source)} ${sourcePort} ${protocol}`;
}
