// Connections in the audit: a logged packet or a flow of the kernel, and what is known of its pod, → event. Pure; it decides nothing, and
// whatever a pod can choose is bounded.
import { formatAddress } from '../base/ip.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import type { Pod } from '../pods/pod.ts';
import type { PortClass, RuleRef } from '../policy/compiled.ts';
import type {
  ConnectionClosedEvent,
  ConnectionCutEvent,
  ConnectionDeniedEvent,
  ConnectionOpenedEvent,
  DenialReason,
} from './event.ts';
import { explainDenial } from './explain-denial.ts';
import { auditPolicy } from './policy.ts';

const MAX_NAMES = 8;
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6', 132: 'sctp' };
const REASONS: readonly DenialReason[] = [
  'no-rule',
  'never-granted',
  'deny-rule',
  'not-syn',
  'spoofed',
  'unknown-pod',
  'cut',
  'source-route',
  'would-deny',
];

/** What of kernel/packet-log.ts, LoggedPacket, is written. Addresses in 16 byte form. */
export interface DeniedPacket {
  readonly prefix: string;
  readonly wallMs: number | undefined;
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
  readonly icmpType: number | undefined;
  readonly original: { readonly destination: Uint8Array; readonly destinationPort: number } | undefined;
}

/** What of kernel/conntrack-flow.ts, Flow, is written. */
export interface AuditedFlow {
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
  readonly replySource: Uint8Array;
  readonly replySourcePort: number;
  readonly originalBytes: number | undefined;
  readonly replyBytes: number | undefined;
  readonly startedWallMs: number | undefined;
  readonly endedWallMs: number | undefined;
}

/** What is known beside the packet or flow. */
export interface ConnectionContext {
  readonly pod: Pod | undefined;
  /** What the pod saw resolve to the real destination. */
  readonly names: readonly RecalledName[];
  /** The rule that decided. */
  readonly policy: RuleRef | undefined;
  readonly nowWallMs: number;
}

export interface DenialContext extends ConnectionContext {
  /** Of the snapshot that `names` was answered from. */
  readonly classes: readonly PortClass[];
  /** Of `would-deny`: a rule that denies would, not that none allows. */
  readonly isByRule?: boolean;
  /** Why the range of the destination is closed (kernel/protected.ts), for `never-granted`. */
  readonly rangeReason?: string;
  /** `namespace/name` of the Service that translated. */
  readonly serviceName?: string;
  /** Packets that were counted but not logged since the last event of this pod. */
  readonly repeats?: number;
}

/** `"no-rule 0123456789ab"` → cause and program; a prefix that is none of ours is `unknown`, a program `-` none. */
export function readPrefix(prefix: string): { readonly reason: DenialReason; readonly programId: string | undefined } {
  const [cause, program = '-'] = prefix.split(' ', 2);
  const reason = REASONS.find((each) => each === cause) ?? 'unknown';
  return { reason, programId: reason === 'unknown' || program === '-' ? undefined : program };
}

export function connectionDenied(packet: DeniedPacket, about: DenialContext): ConnectionDeniedEvent {
  const { reason } = readPrefix(packet.prefix);
  const { original, icmpType } = packet;
  const translatedFrom = original && withPort(original.destination, original.destinationPort);
  const protocol = protocolName(packet.protocol);
  const names = about.names.slice(0, MAX_NAMES);
  const denial = { reason, protocol, port: packet.destinationPort, translatedFrom };
  return {
    time: new Date(packet.wallMs ?? about.nowWallMs).toISOString(),
    event: 'connection.denied',
    pod: podOf(about.pod),
    client: formatAddress(packet.source),
    clientPort: packet.sourcePort,
    destination: formatAddress(packet.destination),
    destinationPort: packet.destinationPort,
    protocol,
    ...(icmpType === undefined ? {} : { icmpType }),
    ...(translatedFrom === undefined ? {} : { translatedFrom }),
    reason,
    names: names.map(({ name }) => name),
    explanation: explainDenial(denial, { ...about, names }),
    policy: auditPolicy(about.policy),
    ...(about.repeats === undefined || about.repeats === 0 ? {} : { repeats: about.repeats }),
  };
}

export function connectionOpened(flow: AuditedFlow, about: ConnectionContext): ConnectionOpenedEvent {
  return flowHead('connection.opened', flow, about, flow.startedWallMs);
}

/** `openedWallMs`: when we saw it begin, for kernels that keep no time of it. */
export function connectionClosed(
  flow: AuditedFlow,
  about: ConnectionContext,
  openedWallMs?: number,
): ConnectionClosedEvent {
  const began = flow.startedWallMs ?? openedWallMs;
  const ended = flow.endedWallMs ?? about.nowWallMs;
  return {
    ...flowHead('connection.closed', flow, about, ended),
    durationMs: began === undefined ? null : Math.max(0, Math.round(ended - began)),
    bytesSent: flow.originalBytes ?? null,
    bytesReceived: flow.replyBytes ?? null,
  };
}

/** `reason`: what changed, in our own words. */
export function connectionCut(flow: AuditedFlow, about: ConnectionContext, reason: string): ConnectionCutEvent {
  return { ...flowHead('connection.cut', flow, about, undefined), reason };
}

/** Where a connection goes is what answers: the source of its replies. */
function flowHead<E extends string>(event: E, flow: AuditedFlow, about: ConnectionContext, wallMs: number | undefined) {
  const asked = withPort(flow.destination, flow.destinationPort);
  const answers = withPort(flow.replySource, flow.replySourcePort);
  return {
    time: new Date(wallMs ?? about.nowWallMs).toISOString(),
    event,
    pod: podOf(about.pod),
    client: formatAddress(flow.source),
    clientPort: flow.sourcePort,
    destination: formatAddress(flow.replySource),
    destinationPort: flow.replySourcePort,
    protocol: protocolName(flow.protocol),
    ...(asked === answers ? {} : { translatedFrom: asked }),
    names: about.names.slice(0, MAX_NAMES).map(({ name }) => name),
    policy: auditPolicy(about.policy),
  };
}

function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? String(protocol);
}

function withPort(address: Uint8Array, port: number): string {
  const text = formatAddress(address);
  if (port === 0) return text;
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
}

function podOf(pod: Pod | undefined) {
  return pod === undefined ? null : { namespace: pod.namespace, name: pod.name, uid: pod.uid };
}
