// Answers `namewall dig`: finds the pod, has the data plane ask in its name, and puts names to the numbers of what comes back. The messages
// themselves are read by the command, so that nothing that an upstream made up is read in the main thread.
import { decode } from '../audit/decode.ts';
import type { AuditNames } from '../audit/decode.ts';
import type { AuditPolicy, DnsEvent, GrantEvent } from '../audit/event.ts';
import { canonicalAddress, formatAddress, parseAddress } from '../base/ip.ts';
import { MAX_DIGS } from '../bridge/dig.ts';
import type { DigAttempt, Dug } from '../bridge/dig.ts';
import type { Denial } from '../datapath/settings.ts';
import { protectedRanges } from '../kernel/protected.ts';
import type { ProtectedRange } from '../kernel/protected.ts';
import type { Pod } from '../pods/pod.ts';
import type { Program } from '../policy/compiled.ts';
import type { Policy } from '../policy/policy.ts';
import { selects } from '../policy/select.ts';
import type { AuditMode } from './audit-mode.ts';
import { isRecord } from './audit-orders.ts';
import type { Config } from './config.ts';
import type { DatapathHost } from './datapath-host.ts';
import { extraRanges } from './inputs.ts';
import { interceptedAddresses } from './state.ts';
import type { State } from './state.ts';

export interface DigRequest {
  readonly kind: 'dig';
  /** NAMESPACE/NAME, or an address of the pod. */
  readonly pod: string;
  /** A whole DNS query, base64. */
  readonly query: string;
}

export type DigReply =
  { readonly ok: true; readonly report: DigReport } | { readonly ok: false; readonly error: string };

/** What became of the query. Milliseconds count from its begin. */
export interface DigReport {
  readonly pod: Pick<Pod, 'namespace' | 'name' | 'uid'>;
  /** The pod's address that it was asked from. */
  readonly client: string;
  /** All of the pod's. */
  readonly addresses: readonly string[];
  /** Those that select the pod. */
  readonly policies: readonly Pick<Policy, 'kind' | 'namespace' | 'name'>[];
  /** What no rule allows is denied. */
  readonly isIsolated: boolean;
  /** `namewall off` holds for the pod. */
  readonly isAudited: boolean;
  /** Whether the pod's own queries come to this agent at all. */
  readonly isIntercepted: boolean;
  /** How a name that no rule allows is answered. */
  readonly denial: Denial;
  /** As in the audit log. Null: the message was refused before its name was judged. */
  readonly answer: DnsEvent | null;
  readonly grants: readonly GrantEvent[];
  /** The rule that allows the name, also where it was not answered; null: none. */
  readonly policy: AuditPolicy | null;
  /** The rule that would deny it, if its policy did not only audit. */
  readonly wouldDenyBy: AuditPolicy | null;
  /** Which ports the name opens. */
  readonly ports: readonly string[];
  readonly attempts: readonly (Omit<DigAttempt, 'address'> & { readonly address: string })[];
  /** What upstream said; the message is base64. */
  readonly said: { readonly message: string; readonly ageMs: number; readonly leftMs: number } | null;
  /** What the pod is told, base64; null: nothing at all. */
  readonly reply: string | null;
  /** Addresses of the reply that are granted now. */
  readonly granted: readonly { readonly address: string; readonly ports: string; readonly leftMs: number }[];
  /** What names do not open. */
  readonly protectedRanges: readonly ProtectedRange[];
}

export interface DiggerParts {
  readonly datapath: Pick<DatapathHost, 'dig'>;
  readonly state: () => State;
  readonly names: AuditNames;
  readonly auditMode: Pick<AuditMode, 'isAudited'>;
  readonly config: Pick<Config, 'denial' | 'intercept' | 'protect' | 'mode'>;
}

/** RFC 1035 §4.2.1: without EDNS no query was ever longer. */
const MOST_QUERY_BYTES = 512;
/** Names or addresses in a message. */
const FEW = 8;

/** `value` is whatever a client sent. Never rejects. */
export async function dig(value: unknown, parts: DiggerParts): Promise<DigReply> {
  const request = readDigRequest(value);
  if (request === undefined) return { ok: false, error: 'Cannot read the request: the agent is of another version' };
  const state = parts.state();
  const found = findClient(request.pod, state, parts.config);
  if (typeof found === 'string') return { ok: false, error: found };
  const client = parseAddress(found.client);
  if (client === undefined) return { ok: false, error: `Cannot ask from ${found.client}: it is no address` };
  const dug = await parts.datapath.dig(client, new Uint8Array(Buffer.from(request.query, 'base64')));
  if (dug.kind === 'busy') {
    return { ok: false, error: `Cannot ask now: ${MAX_DIGS} questions of this kind are under way` };
  }
  return { ok: true, report: { ...aboutPod(found, state, parts), ...aboutWay(dug, parts.names) } };
}

interface FoundClient {
  readonly pod: Pod;
  readonly client: string;
}

function readDigRequest(value: unknown): DigRequest | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, pod, query, ...others } = value;
  if (kind !== 'dig' || typeof pod !== 'string' || typeof query !== 'string') return undefined;
  if (Object.keys(others).length > 0 || Buffer.byteLength(query, 'base64') > MOST_QUERY_BYTES) return undefined;
  return { kind, pod, query };
}

/** A text says why there is none. */
function findClient(text: string, { registry }: State, { mode }: Pick<Config, 'mode'>): FoundClient | string {
  const pods = registry.pods.map(({ pod }) => pod);
  const where = mode === 'node' ? 'on this node' : 'in the clients file';
  const address = canonicalAddress(text);
  if (address !== undefined) {
    const owner = pods.find(({ addresses }) => addresses.includes(address));
    return owner === undefined
      ? `Cannot find a client ${where} with the address ${address}`
      : { pod: owner, client: address };
  }
  const named = pods.filter(({ namespace, name }) => `${namespace}/${name}` === text);
  const [pod, another] = named;
  const client = pod?.addresses[0];
  if (pod === undefined || client === undefined) return `Cannot find a client ${text} ${where}${hint(text, pods)}`;
  if (another === undefined) return { pod, client };
  const addresses = named.map((each) => each.addresses[0] ?? '').slice(0, FEW);
  return `Cannot choose: ${named.length} clients are called ${text}; give an address instead, ${addresses.join(' or ')}`;
}

/** Most often the namespace is forgotten or another one. */
function hint(text: string, pods: readonly Pod[]): string {
  const wanted = text.split('/').at(-1);
  const alike = pods.filter(({ name }) => name === wanted).map(({ namespace, name }) => `${namespace}/${name}`);
  return alike.length === 0 ? '' : `; there is ${[...new Set(alike)].slice(0, FEW).join(', ')}`;
}

type AboutPod = Pick<
  DigReport,
  | 'pod'
  | 'client'
  | 'addresses'
  | 'policies'
  | 'isIsolated'
  | 'isAudited'
  | 'isIntercepted'
  | 'denial'
  | 'protectedRanges'
>;

function aboutPod({ pod, client }: FoundClient, state: State, { auditMode, config }: DiggerParts): AboutPod {
  const isSelecting = ({ rules }: Policy): boolean => rules.some(({ selector }) => selects(selector, pod));
  return {
    pod: { namespace: pod.namespace, name: pod.name, uid: pod.uid },
    client,
    addresses: pod.addresses,
    policies: state.inputs.policies.filter(isSelecting).map(({ kind, namespace, name }) => ({ kind, namespace, name })),
    isIsolated: programOf(pod, state)?.otherwise === 'deny',
    isAudited: auditMode.isAudited(pod),
    isIntercepted: interceptedAddresses(state, config.intercept).includes(client),
    denial: config.denial,
    protectedRanges: protectedRanges(extraRanges(config, state.inputs)),
  };
}

function programOf(pod: Pod, { registry, compiled }: State): Program | undefined {
  const i = registry.pods.findIndex((each) => each.pod === pod);
  return compiled.programs[compiled.programOfPod[i] ?? -1];
}

function aboutWay(dug: Extract<Dug, { kind: 'asked' }>, names: AuditNames): Omit<DigReport, keyof AboutPod> {
  const { records, reply, said, generation } = dug;
  const events = records.map((bytes) => decode(new DataView(bytes.buffer, bytes.byteOffset), bytes, 0, names));
  const policyOf = (index: number): AuditPolicy | null => {
    const rule = names.rule(generation, index);
    return rule === undefined ? null : { kind: rule.kind, namespace: rule.namespace, name: rule.name, rule: rule.at };
  };
  const portsOf = (index: number): string => names.portClass(generation, index)?.id ?? '';
  return {
    answer: events.find(isAnswer) ?? null,
    grants: events.filter((event) => event.event === 'grant'),
    policy: policyOf(dug.rule),
    wouldDenyBy: policyOf(dug.toldBy),
    ports: dug.classes.map(portsOf),
    attempts: dug.attempts.map((attempt) => ({ ...attempt, address: formatAddress(attempt.address) })),
    said: said === undefined ? null : { ...said, message: base64(said.message) },
    reply: reply === undefined ? null : base64(reply),
    granted: dug.grants.map(({ address, classIndex, leftMs }) => {
      return { address: formatAddress(address), ports: portsOf(classIndex), leftMs };
    }),
  };
}

function isAnswer(event: { readonly event: string }): event is DnsEvent {
  return event.event.startsWith('dns.');
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
