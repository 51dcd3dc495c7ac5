// What it all comes to, in one word for programs and one sentence for people.
import { assertNever } from '../../base/errors.ts';
import type { DigReport } from '../../agent/digger.ts';
import type { DnsMessage } from './message.ts';

/** `answered` alone is a yes. */
export type Outcome =
  'answered' | 'denied' | 'no-data' | 'withheld' | 'nxdomain' | 'truncated' | 'failed' | 'refused' | 'no-reply';

export interface Conclusion {
  readonly result: Outcome;
  readonly explanation: string;
}

export interface Facts {
  readonly asked: { readonly name: string; readonly type: string };
  readonly report: DigReport;
  readonly reply: DnsMessage | undefined;
  /** How many addresses were taken out of the answer. */
  readonly withheld: number;
  readonly isDenied: boolean;
}

/** Why a query failed, by the reason in its audit event. */
const FAILURES: Readonly<Record<string, string>> = {
  'upstream-timeout': 'no upstream server has answered in time',
  'upstream-failed': 'upstream servers have failed',
  'upstream-malformed': 'what upstream servers answered cannot be used',
  'kernel-refused': 'the kernel has not acknowledged the grant, so that no address is shown',
  quota: 'a limit of the pod is reached: queries that wait, new names, or grants',
  'internal-error': "an error of namewall's own: its log has it",
  'not-forwarded': 'namewall never forwards such questions',
  'unknown-client': 'the data plane does not serve this address now: the pod is new, or has the address of another',
};

export function conclude(facts: Facts): Conclusion {
  const result = resultOf(facts);
  const { report } = facts;
  const aside = report.isIntercepted ? '' : ". The pod's own queries do not come here: its DNS is not intercepted";
  return { result, explanation: `${explain(result, facts)}${aside}` };
}

function resultOf({ asked, reply, withheld, isDenied }: Facts): Outcome {
  if (isDenied) return 'denied';
  if (reply === undefined) return 'no-reply';
  if (reply.rcode === 'NXDOMAIN') return 'nxdomain';
  if (reply.rcode === 'REFUSED' || reply.rcode === 'NOTIMP' || reply.rcode === 'FORMERR') return 'refused';
  if (reply.rcode !== 'NOERROR') return 'failed';
  if (reply.flags.includes('tc')) return 'truncated';
  if (reply.records.some(({ section, type }) => section === 'answer' && type === asked.type)) return 'answered';
  return withheld > 0 ? 'withheld' : 'no-data';
}

function explain(result: Outcome, { asked, report, reply, withheld }: Facts): string {
  const reason = report.answer?.reason ?? '';
  switch (result) {
    case 'answered':
      return `${asked.name} resolves; ${explainGrants(report)}${withheld > 0 ? `; withheld: ${withheld}` : ''}`;
    case 'denied':
      return `no rule of ${namesOf(report)} allows ${asked.name} to be asked`;
    case 'no-data':
      return reason === ''
        ? `${asked.name} has no ${asked.type} records`
        : `namewall answers ${asked.type} of such names itself, with nothing (${reason})`;
    case 'withheld':
      return `${asked.name} resolves, but none of its addresses may be granted`;
    case 'nxdomain':
      return reason === '' ? `upstream says that ${asked.name} does not exist` : `namewall says so itself (${reason})`;
    case 'truncated':
      return 'the answer is longer than a message can be';
    case 'failed':
    case 'refused':
      // Without an event it was refused before its name was judged.
      return FAILURES[report.answer === null ? 'not-forwarded' : reason] ?? `upstream answers ${reply?.rcode ?? ''}`;
    case 'no-reply':
      return 'nothing is sent';
    default:
      return assertNever(result);
  }
}

function explainGrants({ answer, wouldDenyBy, granted, ports, policies, isIsolated }: DigReport): string {
  if (wouldDenyBy !== null) {
    return `${wouldDenyBy.kind} ${policyName(wouldDenyBy.namespace, wouldDenyBy.name)} would have refused it, and only audits`;
  }
  if (answer?.wouldDeny === true) return 'only since audit mode is on: policy alone would have refused it';
  if (granted.length > 0) return `its addresses may be connected to (${[...new Set(ports)].join(', ')})`;
  if (policies.length === 0) return 'no policy selects the pod: nothing has to be granted';
  if (ports.length === 0 && !isIsolated) return 'no name has to be granted, since the pod is not isolated';
  return ports.length === 0 ? 'it may only be asked: no toFQDNs names it' : 'it has no addresses to grant';
}

function namesOf({ policies }: DigReport): string {
  return policies.map(({ kind, namespace, name }) => `${kind} ${policyName(namespace, name)}`).join(' and ');
}

/** Cluster-wide ones have no namespace. */
export function policyName(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
