// What an agent tells of a question, as the tests of `namewall dig` need it: an allowed name with one granted address, and what differs.
import type { DigReport } from '../../../../src/agent/digger.ts';
import { FLAG } from '../../../../src/dns/codes.ts';
import { NEVER_GRANTED } from '../../../../src/kernel/protected.ts';
import { a, cname, message, opt, option, question, response, u16 } from '../../dns/message.ts';
import type { Bytes, MessageText } from '../../dns/message.ts';

export const NAME = 'api.example.org';
export const POLICY = {
  kind: 'CiliumNetworkPolicy',
  namespace: 'shop',
  name: 'one-name',
  rule: 'policies/one-name.yaml:7:30',
};
export const ASKED = { name: NAME, type: 'A', dnssecOk: false, checkingDisabled: false };

type Answer = NonNullable<DigReport['answer']>;
type Attempt = DigReport['attempts'][number];

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A reply to the question, with OPT as every pod with EDNS gets it. */
export function reply(answers: readonly Bytes[], more: MessageText = {}): string {
  return base64(response({ questions: [question(NAME)], answers, additional: [opt()], ...more }));
}

/** A reply of our own without records. */
export function denial(rcode: number, ede: number, text: string): string {
  const error = option(15, [...u16(ede), ...Buffer.from(text, 'latin1')]);
  const flags = FLAG.QR | FLAG.RD | FLAG.RA | rcode;
  return base64(message({ flags, questions: [question(NAME)], additional: [opt(error)] }));
}

/** What upstream said, as the store has it. */
export function said(answers: readonly Bytes[], { ageMs = 0, leftMs = 30_000 } = {}): NonNullable<DigReport['said']> {
  return { message: base64(response({ id: 0, questions: [question(NAME)], answers })), ageMs, leftMs };
}

export function answerEvent(changes: Partial<Answer> = {}): Answer {
  return {
    time: '2026-11-22T04:05:06.789Z',
    event: 'dns.allowed',
    pod: { namespace: 'shop', name: 'cart', uid: 'u-7' },
    client: '10.0.1.7',
    dig: true,
    qname: NAME,
    qtype: 'A',
    rcode: 'NOERROR',
    addresses: ['192.0.2.8'],
    ttlSeconds: 30,
    cached: false,
    merged: false,
    withheld: false,
    policy: POLICY,
    latencyMicros: 13_100,
    ...changes,
  };
}

export function attempt(changes: Partial<Attempt> = {}): Attempt {
  const sent = { address: '198.51.100.53', port: 53, transport: 'udp', hasEdns: true, atMs: 0 } as const;
  return { ...sent, outcome: 'NOERROR', tookMs: 12, ...changes };
}

const GRANT: DigReport['grants'][number] = {
  time: '2026-11-22T04:05:06.789Z',
  event: 'grant',
  pod: { namespace: 'shop', name: 'cart', uid: 'u-7' },
  client: '10.0.1.7',
  dig: true,
  qname: NAME,
  qtype: 'A',
  addresses: ['192.0.2.8'],
  ports: 'tcp443',
  lifetimeSeconds: 90,
  policy: POLICY,
  commitMicros: 240,
};

/** Fresh, over one server, granted just now. */
export function report(changes: Partial<DigReport> = {}): DigReport {
  return {
    pod: { namespace: 'shop', name: 'cart', uid: 'u-7' },
    client: '10.0.1.7',
    addresses: ['10.0.1.7'],
    policies: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'one-name' }],
    isIsolated: true,
    isAudited: false,
    isIntercepted: true,
    denial: 'nxdomain',
    answer: answerEvent(),
    grants: [GRANT],
    policy: POLICY,
    wouldDenyBy: null,
    ports: ['tcp443'],
    attempts: [attempt()],
    said: said([a(NAME, [192, 0, 2, 8], 30)]),
    reply: reply([a(NAME, [192, 0, 2, 8], 30)]),
    granted: [{ address: '192.0.2.8', ports: 'tcp443', leftMs: 90_000 }],
    protectedRanges: NEVER_GRANTED,
    ...changes,
  };
}

/** The same behind an alias, with one more address that is never granted. */
export function aliased(): DigReport {
  const target = 'edge.example.net';
  const address = a(target, [192, 0, 2, 8], 30);
  return report({
    said: said([cname(NAME, target, 300), address, a(target, [169, 254, 169, 254], 30)]),
    reply: reply([cname(NAME, target, 30), address]),
  });
}

/** Of a query that got nothing: no rule allows it. */
export function denied(changes: Partial<DigReport> = {}): DigReport {
  return report({
    answer: answerEvent({ event: 'dns.denied', rcode: 'NXDOMAIN', reason: 'no-rule', addresses: [], policy: null }),
    grants: [],
    policy: null,
    ports: [],
    attempts: [],
    said: null,
    reply: denial(3, 15, 'namewall: name not allowed by policy'),
    granted: [],
    ...changes,
  });
}

/** Of a query that got SERVFAIL for this reason. */
export function failed(reason: string, changes: Partial<DigReport> = {}): DigReport {
  return report({
    answer: answerEvent({ event: 'dns.failed', rcode: 'SERVFAIL', reason, addresses: [], policy: null }),
    grants: [],
    said: null,
    reply: denial(2, 22, 'namewall: no answer from upstream'),
    granted: [],
    ...changes,
  });
}
