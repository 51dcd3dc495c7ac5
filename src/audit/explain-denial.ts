// Why a packet did not pass, as one sentence that a person can act on. Says only what is known: what a pod saw resolve, and what that opens.
import { assertNever } from '../base/errors.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import type { PortClass } from '../policy/compiled.ts';
import { portsText } from '../policy/ports.ts';
import type { DenialReason } from './event.ts';

export interface Denial {
  readonly reason: DenialReason;
  /** As in the event: tcp, udp, …, or a number. */
  readonly protocol: string;
  readonly port: number;
  /** `address:port` that was asked for before translation. */
  readonly translatedFrom: string | undefined;
}

export interface KnownOfDenial {
  /** What the pod saw resolve to the destination, the one looked up last first. */
  readonly names: readonly RecalledName[];
  readonly classes: readonly PortClass[];
  readonly nowWallMs: number;
  readonly isByRule?: boolean;
  readonly rangeReason?: string;
  readonly serviceName?: string;
}

const BY_RULE = 'a rule denies this destination';

export function explainDenial(denial: Denial, known: KnownOfDenial): string {
  return `${explainReason(denial, known)}${explainTranslation(denial, known)}`;
}

function explainReason(denial: Denial, known: KnownOfDenial): string {
  switch (denial.reason) {
    case 'no-rule':
      return explainNames(denial, known);
    case 'would-deny':
      return `let pass in audit mode: ${known.isByRule === true ? BY_RULE : explainNames(denial, known)}`;
    case 'never-granted':
      return `in a range that no name opens${known.rangeReason === undefined ? '' : ` (${known.rangeReason})`}`;
    case 'deny-rule':
      return BY_RULE;
    case 'not-syn':
      return 'TCP packet of no known connection';
    case 'spoofed':
      return "source address is not the sender's own";
    case 'unknown-pod':
      return 'sender is no pod that is known yet';
    case 'cut':
      return 'policy changed: connection cut';
    case 'source-route':
      return 'packet asks for a route of its own';
    case 'unknown':
      return 'logged by a rule that is not of this version';
    default:
      return assertNever(denial.reason);
  }
}

/** The name that comes nearest to a grant explains most: one that opens this port, then one that opens others, then one that opens none. */
function explainNames(denial: Denial, known: KnownOfDenial): string {
  const opens = (name: RecalledName): boolean => classesOf(name, known).some((each) => covers(each, denial));
  const fitting = known.names.find(opens);
  if (fitting !== undefined) return explainTiming(fitting, known.nowWallMs);
  const granting = known.names.find(({ classes }) => classes.length > 0);
  if (granting !== undefined) return `${granting.name} opens ${portsText(classesOf(granting, known))} only`;
  const [last] = known.names;
  if (last !== undefined) return `resolved as ${last.name}, which no rule allows to connect to`;
  return 'never resolved by this pod: connects by address, or resolved before namewall saw it';
}

function explainTiming({ name, leftMs }: RecalledName, nowWallMs: number): string {
  // Names are asked for after the packet was logged: the pod may have looked the name up meanwhile.
  if (leftMs > 0) return `granted under ${name} now: the packet came before the answer, or its grant was refused`;
  const until = `${new Date(nowWallMs + leftMs).toISOString().slice(0, 19)}Z`;
  return `granted under ${name} until ${until}: the client caches beyond the TTL, raise lifetimes.grace`;
}

function explainTranslation({ translatedFrom }: Denial, { serviceName }: KnownOfDenial): string {
  if (translatedFrom === undefined) return '';
  if (serviceName === undefined) return `; translated by Service ${translatedFrom}`;
  return `; translated by Service ${serviceName} (${translatedFrom})`;
}

function classesOf(name: RecalledName, { classes }: KnownOfDenial): PortClass[] {
  return name.classes.flatMap((index) => classes[index] ?? []);
}

function covers({ ports }: PortClass, { protocol, port }: Denial): boolean {
  if (ports === 'all') return true;
  return ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}
