// What the agent tells of a question → the path that it took, step by step: what `namewall dig -o json` prints, and the text says. Its keys are
// listed in README.md.
import { familyOf, parseAddress } from '../../base/ip.ts';
import type { DigReport } from '../../agent/digger.ts';
import { RangeMatcher } from '../../kernel/protected.ts';
import { conclude } from './conclusion.ts';
import type { Conclusion } from './conclusion.ts';
import { readChain, readMessage } from './message.ts';
import type { DnsMessage, DnsRecord } from './message.ts';

export interface Asked {
  readonly name: string;
  readonly type: string;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

type ReportPolicy = NonNullable<DigReport['policy']>;

/** `local`: answered without policy and without asking anybody. `none`: the agent does not know the pod, or refuses such messages. */
type Verdict = 'allowed' | 'denied' | 'would-deny' | 'local' | 'none';

export interface Attempt {
  readonly server: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  readonly edns: boolean;
  readonly atMs: number | null;
  /** Null: no answer as long as it was waited for. */
  readonly outcome: string | null;
  /** Until the outcome, or as long as it was waited for before somebody else was asked. */
  readonly tookMs: number | null;
}

type Source =
  | { readonly from: 'cache'; readonly ageSeconds: number; readonly leftSeconds: number }
  /** `merged`: it waited for the same question of another query. */
  | { readonly from: 'upstream'; readonly merged: boolean; readonly attempts: readonly Attempt[] }
  | { readonly from: 'nobody' };

/** Closed ranges by their reason (kernel/protected.ts); or `cap`: more addresses than an answer may have; or the pod has no address of this family. */
export interface Withheld {
  readonly address: string;
  readonly reason: string;
}

export interface Granted {
  readonly address: string;
  readonly ports: string;
  readonly leftSeconds: number;
  /** By this lookup; else by an earlier one. */
  readonly isNew: boolean;
}

export interface DigPath extends Conclusion {
  readonly asked: Asked;
  readonly identified: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly address: string;
    readonly policies: DigReport['policies'];
    /** What no rule allows is denied. */
    readonly isolated: boolean;
    readonly auditMode: boolean;
    readonly intercepted: boolean;
  };
  readonly matched: {
    readonly verdict: Verdict;
    readonly policy: ReportPolicy | null;
    readonly wouldDenyBy: ReportPolicy | null;
    readonly ports: readonly string[];
    /** How denied names are answered. */
    readonly denied: string;
  };
  readonly source: Source;
  /** As upstream said it: CNAMEs in their order, then the records at their end. */
  readonly chain: readonly Omit<DnsRecord, 'section'>[];
  readonly withheld: readonly Withheld[];
  readonly granted: readonly Granted[];
  /** How long the kernel took to acknowledge what is new; null: nothing is. */
  readonly commitMs: number | null;
  /** Null: the pod is told nothing. */
  readonly answered: (DnsMessage & { readonly tookMs: number }) | null;
  /** As the audit log has them. */
  readonly events: readonly unknown[];
}

export function pathOf(asked: Asked, report: DigReport): DigPath {
  const reply = report.reply === null ? undefined : readMessage(bytesOf(report.reply));
  const said = report.said?.message ?? report.reply;
  const chain = said === null ? [] : readChain(bytesOf(said));
  const verdict = verdictOf(report);
  const withheld = withheldOf(report, chain, reply);
  const { answer, pod, grants } = report;
  const tookMs = (answer?.latencyMicros ?? 0) / 1_000;
  return {
    asked,
    identified: {
      namespace: pod.namespace,
      name: pod.name,
      uid: pod.uid,
      address: report.client,
      policies: report.policies,
      isolated: report.isIsolated,
      auditMode: report.isAudited,
      intercepted: report.isIntercepted,
    },
    matched: {
      verdict,
      policy: report.policy,
      wouldDenyBy: report.wouldDenyBy,
      ports: report.ports,
      denied: report.denial,
    },
    source: sourceOf(report, tookMs),
    chain: chain.map(({ name, ttl, type, data }) => ({ name, ttl, type, data })),
    withheld,
    granted: report.granted.map(({ address, ports, leftMs }) => {
      const isNew = grants.some((grant) => grant.ports === ports);
      return { address, ports, leftSeconds: Math.round(leftMs / 1_000), isNew };
    }),
    commitMs: grants[0] === undefined ? null : grants[0].commitMicros / 1_000,
    answered: reply === undefined ? null : { ...reply, tookMs },
    ...conclude({ asked, report, reply, withheld: withheld.length, isDenied: verdict === 'denied' }),
    events: [...grants, ...(answer === null ? [] : [answer])],
  };
}

function verdictOf({ answer, policy, wouldDenyBy, ports, policies }: DigReport): Verdict {
  if (answer === null || answer.reason === 'unknown-client') return 'none';
  if (answer.reason === 'no-rule') return 'denied';
  if (answer.reason === 'special-name') return 'local';
  if (wouldDenyBy !== null) return 'would-deny';
  // In audit mode what no rule allows is answered as if no policy selected the pod.
  if (answer.wouldDeny === true && policy === null && ports.length === 0 && policies.length > 0) return 'would-deny';
  return 'allowed';
}

function sourceOf({ answer, said, attempts }: DigReport, tookMs: number): Source {
  if (answer?.cached === true && said !== null) {
    // Rounded as TTLs are: an age up, what is left down.
    const [ageSeconds, leftSeconds] = [Math.ceil(said.ageMs / 1_000), Math.max(0, Math.floor(said.leftMs / 1_000))];
    return { from: 'cache', ageSeconds, leftSeconds };
  }
  const merged = answer?.merged === true;
  if (!merged && attempts.length === 0) return { from: 'nobody' };
  return {
    from: 'upstream',
    merged,
    attempts: attempts.map(({ address, port, transport, hasEdns, atMs, outcome, ...attempt }, i) => {
      const untilMs = attempts.slice(i + 1).find((next) => next.atMs !== null)?.atMs ?? tookMs;
      const waitedMs = atMs === null ? null : untilMs - atMs;
      return {
        server: address,
        port,
        transport,
        edns: hasEdns,
        atMs,
        outcome,
        tookMs: outcome === null ? waitedMs : attempt.tookMs,
      };
    }),
  };
}

/** Addresses at the end of the chain that the pod is not shown, where it is shown an answer at all. */
function withheldOf(report: DigReport, chain: readonly DnsRecord[], reply: DnsMessage | undefined): Withheld[] {
  const isShown = reply?.rcode === 'NOERROR' && !reply.flags.includes('tc');
  if (!isShown) return [];
  const shown = new Set(reply.records.filter(({ section }) => section === 'answer').map(({ data }) => data));
  const closed = new RangeMatcher(report.protectedRanges);
  return chain
    .filter(({ type, data }) => (type === 'A' || type === 'AAAA') && !shown.has(data))
    .map(({ data }) => ({ address: data, reason: reasonOf(data, closed, report) }));
}

function reasonOf(text: string, closed: RangeMatcher, { addresses }: DigReport): string {
  const address = parseAddress(text);
  if (address === undefined) return 'unknown';
  if (text.includes(':') && familyOf(address) === 4) return 'embedded-ipv4'; // leaves the pod as IPv4
  const range = closed.reason(closed.indexOf(address, 0));
  if (range !== undefined) return range;
  const hasFamily = addresses.some((each) => each.includes(':') === text.includes(':'));
  return hasFamily ? 'cap' : 'no-address-of-this-family';
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}
