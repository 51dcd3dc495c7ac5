// The path of a question as text: a step a line, aligned, and no more lines than a screen has.
import { assertNever } from '../../base/errors.ts';
import { EDNS_PAYLOAD_BYTES, MIN_UDP_BYTES } from '../../dns/codes.ts';
import { OPT_BYTES } from '../../dns/build-reply.ts';
import { policyName } from './conclusion.ts';
import type { Attempt, DigPath, Granted } from './path.ts';

/** Records, and addresses in a line; `-o json` has them all. */
const MOST_RECORDS = 12;
const MOST_ADDRESSES = 8;

type Step = readonly [label: string, ...lines: string[]];

export function renderPath(path: DigPath): string {
  const steps: Step[] = [
    ['asked', askedText(path)],
    ['identified', identifiedText(path)],
    ['matched by', matchedText(path)],
    sourceStep(path),
    ['chain', ...limited(path.chain.map(({ name, ttl, type, data }) => `${name} ${ttl} ${type} ${data}`))],
    ['withheld', ...limited(path.withheld.map(({ address, reason }) => `${address} ${withheldText(reason)}`))],
    ['granted', ...grantedLines(path)],
    ['answered', ...answeredLines(path)],
    ['result', `${path.result}: ${path.explanation}`],
  ];
  const shown = steps.filter(([, ...lines]) => lines.length > 0);
  const width = Math.max(...shown.map(([label]) => label.length)) + 2;
  return shown
    .flatMap(([label, ...lines]) => lines.map((line, i) => `${(i === 0 ? label : '').padEnd(width)}${line}\n`))
    .join('');
}

function askedText({ asked }: DigPath): string {
  const flags = [asked.dnssecOk ? ', DNSSEC records wanted' : '', asked.checkingDisabled ? ', checking disabled' : ''];
  return `${asked.name} ${asked.type}${flags.join('')}`;
}

function identifiedText({ identified, matched }: DigPath): string {
  const { namespace, name, address, policies, auditMode, intercepted } = identified;
  const selecting = policies.map((policy) => `${policy.kind} ${policyName(policy.namespace, policy.name)}`);
  return [
    `${namespace}/${name} by ${address}`,
    selecting.length === 0 ? 'selected by no policy' : `selected by ${selecting.join(', ')}`,
    ...(auditMode ? ['in audit mode (namewall off)'] : []),
    ...(intercepted ? [] : ['its own queries are not intercepted']),
    ...(matched.verdict === 'none' ? ['not judged'] : []),
  ].join(', ');
}

function matchedText({ matched, identified }: DigPath): string {
  const { verdict, policy, wouldDenyBy, ports, denied } = matched;
  const opens = ports.length === 0 ? 'may be asked, opens nothing' : `opens ${ports.join(', ')}`;
  if (wouldDenyBy !== null) return `${ruleText(wouldDenyBy)} would deny it, and only audits: ${opens}`;
  if (policy !== null) return `${ruleText(policy)}: ${opens}`;
  switch (verdict) {
    case 'denied':
      return `no rule: dns.denied is ${denied}`;
    case 'would-deny':
      return `no rule: answered only since the pod is in audit mode, else ${denied}`;
    case 'local':
      return 'nothing: a special-use name, which namewall answers itself';
    case 'none':
      return 'nothing: refused before its name was judged';
    case 'allowed':
      if (identified.policies.length === 0) return 'nothing: every name may be asked, nothing has to be granted';
      return identified.isolated
        ? 'no rule that is known still: policy has changed meanwhile'
        : `no rule: the pod is not isolated, and every name that no rule denies may be asked`;
    default:
      return assertNever(verdict);
  }
}

function ruleText({ kind, namespace, name, rule }: NonNullable<DigPath['matched']['policy']>): string {
  return `${kind} ${policyName(namespace, name)} at ${rule}`;
}

function sourceStep({ source }: DigPath): Step {
  switch (source.from) {
    case 'cache':
      return ['cached', `${source.ageSeconds} s ago, for ${source.leftSeconds} s more`];
    case 'nobody':
      return ['forwarded', 'to nobody'];
    case 'upstream': {
      const lines = source.attempts.map(attemptText);
      return source.merged ? ['merged', 'with the same question of another query', ...lines] : ['forwarded', ...lines];
    }
    default:
      return assertNever(source);
  }
}

function attemptText({ server, port, transport, edns, outcome, tookMs }: Attempt): string {
  const where = `${server} port ${port} by ${transport.toUpperCase()}${edns ? '' : ' without EDNS'}`;
  if (outcome === null) return `${where}: no answer${tookMs === null ? '' : ` within ${msText(tookMs)}`}`;
  return `${where}: ${outcome}${tookMs === null ? '' : ` after ${msText(tookMs)}`}`;
}

function withheldText(reason: string): string {
  if (reason === 'cap') return 'is more than an answer may have (dns.maxAddresses)';
  if (reason === 'no-address-of-this-family') return 'cannot be reached: the pod has no address of this family';
  return `is never granted (${reason})`;
}

/** A line for each port class and lifetime. */
function grantedLines({ granted, commitMs }: DigPath): string[] {
  const lines = new Map<string, Granted[]>();
  for (const grant of granted) {
    const key = `${grant.ports} ${grant.leftSeconds} ${grant.isNew}`;
    lines.set(key, [...(lines.get(key) ?? []), grant]);
  }
  return limited(
    [...lines.values()].map((grants) => {
      const { ports = '', leftSeconds = 0, isNew = false } = grants[0] ?? {};
      const since = isNew ? `now, acknowledged by the kernel in ${msText(commitMs ?? 0)}` : 'before';
      return `${addressList(grants.map(({ address }) => address))} on ${ports} for ${leftSeconds} s, ${since}`;
    }),
  );
}

function addressList(addresses: readonly string[]): string {
  const shown = addresses.slice(0, MOST_ADDRESSES).join(', ');
  return addresses.length > MOST_ADDRESSES ? `${shown} and ${addresses.length - MOST_ADDRESSES} more` : shown;
}

function answeredLines({ answered }: DigPath): string[] {
  if (answered === null) return ['nothing: no reply is sent'];
  const { rcode, flags, ede, records, bytes, tookMs } = answered;
  const errors = ede.map(({ code, name, text }) => `EDE ${code}${name === '' ? '' : ` (${name})`}: ${text}`);
  const summary = [
    `${rcode} after ${msText(tookMs)}`,
    `${bytes} bytes${udpText(bytes)}`,
    `flags ${flags.join(' ')}`,
    ...errors,
  ];
  return [summary.join(', '), ...limited(records.map(recordText))];
}

function recordText({ section, name, ttl, type, data }: NonNullable<DigPath['answered']>['records'][number]): string {
  return `${name} ${ttl} ${type} ${data}${section === 'answer' ? '' : ` (${section})`}`;
}

/** Asked here it is as over TCP. */
function udpText(bytes: number): string {
  if (bytes > EDNS_PAYLOAD_BYTES) return ' (over UDP: truncated, to be asked again over TCP)';
  return bytes - OPT_BYTES > MIN_UDP_BYTES ? ' (over UDP without EDNS: truncated)' : '';
}

function limited(lines: readonly string[]): string[] {
  if (lines.length <= MOST_RECORDS) return [...lines];
  return [...lines.slice(0, MOST_RECORDS), `and ${lines.length - MOST_RECORDS} more: -o json has them all`];
}

function msText(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
