import { expect, test } from 'vitest';
import type { DigReport } from '../../../../src/agent/digger.ts';
import { pathOf } from '../../../../src/cli/dig/path.ts';
import { FLAG } from '../../../../src/dns/codes.ts';
import { a, record } from '../../dns/message.ts';
import { answerEvent, ASKED, denial, denied, failed, NAME, reply, report, said } from './report.ts';

const OK = FLAG.QR | FLAG.RD | FLAG.RA;
const METADATA = a(NAME, [169, 254, 169, 254]);
const PUBLIC = a(NAME, [192, 0, 2, 8]);
const CLUSTERWIDE = { kind: 'CiliumClusterwideNetworkPolicy', namespace: '', name: 'all' };

function concluded(told: DigReport, type = 'A'): [string, string] {
  const { result, explanation } = pathOf({ ...ASKED, type }, told);
  return [result, explanation];
}

const RESOLVES = `${NAME} resolves; `;
const local = {
  answer: answerEvent({ reason: 'special-name' }),
  said: null,
  policy: null,
  ports: [],
  grants: [],
  granted: [],
};

test.each<[why: string, told: DigReport, result: string, explanation: string]>([
  ['granted', report(), 'answered', `${RESOLVES}its addresses may be connected to (tcp443)`],
  [
    'one of two addresses is withheld',
    report({ said: said([PUBLIC, METADATA]) }),
    'answered',
    `${RESOLVES}its addresses may be connected to (tcp443); withheld: 1`,
  ],
  [
    'only to be asked',
    report({ ports: [], granted: [] }),
    'answered',
    `${RESOLVES}it may only be asked: no toFQDNs names it`,
  ],
  [
    'a pod that no policy selects',
    report({ policies: [], policy: null, ports: [], granted: [] }),
    'answered',
    `${RESOLVES}no policy selects the pod: nothing has to be granted`,
  ],
  [
    'audit mode',
    report({ answer: answerEvent({ wouldDeny: true }), policy: null, ports: [], granted: [], isAudited: true }),
    'answered',
    `${RESOLVES}only since audit mode is on: policy alone would have refused it`,
  ],
  [
    'a policy that only audits',
    report({ wouldDenyBy: { kind: 'K', namespace: '', name: 'watched', rule: 'w.yaml:1:1' }, policy: null, ports: [] }),
    'answered',
    `${RESOLVES}K watched would have refused it, and only audits`,
  ],
  [
    'a pod that is not isolated',
    report({ policy: null, ports: [], granted: [], isIsolated: false }),
    'answered',
    `${RESOLVES}no name has to be granted, since the pod is not isolated`,
  ],
  [
    'a pod whose DNS is not taken',
    report({ isIntercepted: false }),
    'answered',
    `${RESOLVES}its addresses may be connected to (tcp443). The pod's own queries do not come here: its DNS is not intercepted`,
  ],
  ['denied', denied(), 'denied', `no rule of CiliumNetworkPolicy shop/one-name allows ${NAME} to be asked`],
  [
    'denied by two policies',
    denied({ policies: [...report().policies, CLUSTERWIDE] }),
    'denied',
    `no rule of CiliumNetworkPolicy shop/one-name and CiliumClusterwideNetworkPolicy all allows ${NAME} to be asked`,
  ],
  [
    'denied without an answer',
    denied({ reply: null }),
    'denied',
    `no rule of CiliumNetworkPolicy shop/one-name allows ${NAME} to be asked`,
  ],
  [
    'every address is withheld',
    report({ said: said([METADATA]), reply: reply([]), granted: [] }),
    'withheld',
    `${NAME} resolves, but none of its addresses may be granted`,
  ],
  ['no such records', report({ said: said([]), reply: reply([]), granted: [] }), 'no-data', `${NAME} has no A records`],
  [
    'a type that is not answered for such names',
    report({ answer: answerEvent({ reason: 'not-forwarded' }), said: null, reply: reply([]) }),
    'no-data',
    'namewall answers A of such names itself, with nothing (not-forwarded)',
  ],
  [
    'no such name',
    report({ reply: reply([], { flags: OK | 3 }) }),
    'nxdomain',
    `upstream says that ${NAME} does not exist`,
  ],
  [
    'a name that nobody is asked for',
    report({ ...local, reply: denial(3, 15, '') }),
    'nxdomain',
    'namewall says so itself (special-name)',
  ],
  ['silent upstreams', failed('upstream-timeout'), 'failed', 'no upstream server has answered in time'],
  ['upstreams that fail', failed('upstream-failed'), 'failed', 'upstream servers have failed'],
  ['an rcode of upstream', report({ reply: reply([], { flags: OK | 9 }) }), 'failed', 'upstream answers NOTAUTH'],
  ['a limit', failed('quota'), 'failed', 'a limit of the pod is reached: queries that wait, new names, or grants'],
  [
    'a type that is never asked',
    report({ answer: null, reply: denial(5, 21, '') }),
    'refused',
    'namewall never forwards such questions',
  ],
  ['upstream refuses', report({ reply: reply([], { flags: OK | 5 }) }), 'refused', 'upstream answers REFUSED'],
  [
    'too long for a message',
    report({ reply: reply([], { flags: OK | FLAG.TC }) }),
    'truncated',
    'the answer is longer than a message can be',
  ],
  ['no reply', report({ answer: null, reply: null }), 'no-reply', 'nothing is sent'],
])('%s', (_why, told, result, explanation) => {
  expect(concluded(told)).toEqual([result, explanation]);
});

test('an alias alone is no answer to a question for addresses', () => {
  const link = record({ owner: NAME, type: 5, rdata: [1, 0x61, 0] });
  expect(concluded(report({ said: said([link]), reply: reply([link]) }))[0]).toBe('no-data');
  expect(concluded(report({ said: said([link]), reply: reply([link]) }), 'CNAME')[0]).toBe('answered');
});
