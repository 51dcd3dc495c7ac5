import { expect, test } from 'vitest';
import type { DigReport } from '../../../../src/agent/digger.ts';
import { pathOf } from '../../../../src/cli/dig/path.ts';
import { renderPath } from '../../../../src/cli/dig/render.ts';
import { a, cname, record } from '../../dns/message.ts';
import { aliased, answerEvent, ASKED, attempt, denied, failed, NAME, reply, report, said } from './report.ts';

const rendered = (told: DigReport, asked = ASKED): string => renderPath(pathOf(asked, told));
/** The lines of one step. */
function step(label: string, told: DigReport): string[] {
  const lines = rendered(told).split('\n');
  const first = lines.findIndex((line) => line.startsWith(`${label} `));
  const after = lines.slice(first + 1);
  const next = after.findIndex((line) => !line.startsWith(' '));
  return [lines[first] ?? '', ...after.slice(0, next)].map((line) => line.slice(12));
}

test('a fresh answer behind an alias, with something withheld', () => {
  expect(rendered(aliased())).toBe(`\
asked       api.example.org A
identified  shop/cart by 10.0.1.7, selected by CiliumNetworkPolicy shop/one-name
matched by  CiliumNetworkPolicy shop/one-name at policies/one-name.yaml:7:30: opens tcp443
forwarded   198.51.100.53 port 53 by UDP: NOERROR after 12 ms
chain       api.example.org 300 CNAME edge.example.net
            edge.example.net 30 A 192.0.2.8
            edge.example.net 30 A 169.254.169.254
withheld    169.254.169.254 is never granted (link-local)
granted     192.0.2.8 on tcp443 for 90 s, now, acknowledged by the kernel in 0.2 ms
answered    NOERROR after 13 ms, 121 bytes, flags qr rd ra
            api.example.org 30 CNAME edge.example.net
            edge.example.net 30 A 192.0.2.8
result      answered: api.example.org resolves; its addresses may be connected to (tcp443); withheld: 1
`);
});

test('a denied name', () => {
  expect(rendered(denied())).toBe(`\
asked       api.example.org A
identified  shop/cart by 10.0.1.7, selected by CiliumNetworkPolicy shop/one-name
matched by  no rule: dns.denied is nxdomain
forwarded   to nobody
answered    NXDOMAIN after 13 ms, 86 bytes, flags qr rd ra, EDE 15 (Blocked): namewall: name not allowed by policy
result      denied: no rule of CiliumNetworkPolicy shop/one-name allows api.example.org to be asked
`);
});

test('two servers, one of which is silent and does not take EDNS', () => {
  const attempts = [
    attempt({ outcome: null, tookMs: null, hasEdns: false }),
    attempt({ address: '2001:db8::53', transport: 'tcp', atMs: 400, outcome: 'SERVFAIL', tookMs: 3.14 }),
  ];
  expect(step('forwarded', failed('upstream-failed', { attempts }))).toEqual([
    '198.51.100.53 port 53 by UDP without EDNS: no answer within 400 ms',
    '2001:db8::53 port 53 by TCP: SERVFAIL after 3.1 ms',
  ]);
});

test('merged: the attempts of the other query', () => {
  const attempts = [attempt({ atMs: null, outcome: null, tookMs: null }), attempt({ atMs: null, tookMs: null })];
  expect(step('merged', report({ answer: answerEvent({ merged: true }), attempts }))).toEqual([
    'with the same question of another query',
    '198.51.100.53 port 53 by UDP: no answer',
    '198.51.100.53 port 53 by UDP: NOERROR',
  ]);
});

test.each<[why: string, label: string, told: DigReport, lines: string[]]>([
  [
    'a cached answer',
    'cached',
    report({ answer: answerEvent({ cached: true }), attempts: [], said: said([], { ageMs: 1_500, leftMs: 7_900 }) }),
    ['2 s ago, for 7 s more'],
  ],
  [
    'no policy',
    'identified',
    report({ policies: [], policy: null, ports: [] }),
    ['shop/cart by 10.0.1.7, selected by no policy'],
  ],
  [
    'no policy: nothing to match',
    'matched by',
    report({ policies: [], policy: null, ports: [] }),
    ['nothing: every name may be asked, nothing has to be granted'],
  ],
  [
    'audit mode, and DNS that is not taken',
    'identified',
    report({ isAudited: true, isIntercepted: false, policies: [{ kind: 'K', namespace: '', name: 'all' }] }),
    ['shop/cart by 10.0.1.7, selected by K all, in audit mode (namewall off), its own queries are not intercepted'],
  ],
  [
    'audit mode lets pass what no rule allows',
    'matched by',
    report({ answer: answerEvent({ wouldDeny: true }), policy: null, ports: [] }),
    ['no rule: answered only since the pod is in audit mode, else nxdomain'],
  ],
  [
    'a policy that only audits lets pass what it would deny',
    'matched by',
    report({ wouldDenyBy: { kind: 'K', namespace: 'shop', name: 'watched', rule: 'w.yaml:1:1' } }),
    ['K shop/watched at w.yaml:1:1 would deny it, and only audits: opens tcp443'],
  ],
  [
    'no rule is about the name, and the pod is not isolated',
    'matched by',
    report({ policy: null, ports: [], isIsolated: false }),
    ['no rule: the pod is not isolated, and every name that no rule denies may be asked'],
  ],
  [
    'a name that may only be asked',
    'matched by',
    report({ ports: [] }),
    ['CiliumNetworkPolicy shop/one-name at policies/one-name.yaml:7:30: may be asked, opens nothing'],
  ],
  [
    'refused before its name was judged',
    'matched by',
    report({ answer: null, policy: null, ports: [] }),
    ['nothing: refused before its name was judged'],
  ],
  [
    'a special-use name',
    'matched by',
    report({ answer: answerEvent({ reason: 'special-name' }), policy: null, ports: [] }),
    ['nothing: a special-use name, which namewall answers itself'],
  ],
  ['no reply', 'answered', denied({ reply: null }), ['nothing: no reply is sent']],
  [
    'grants by port class and lifetime',
    'granted',
    report({
      granted: [
        { address: '192.0.2.8', ports: 'tcp443', leftMs: 90_000 },
        { address: '192.0.2.9', ports: 'tcp443', leftMs: 90_000 },
        { address: '192.0.2.8', ports: 'tcp80', leftMs: 5_000 },
      ],
    }),
    [
      '192.0.2.8, 192.0.2.9 on tcp443 for 90 s, now, acknowledged by the kernel in 0.2 ms',
      '192.0.2.8 on tcp80 for 5 s, before',
    ],
  ],
])('%s', (_why, label, told, lines) => {
  expect(step(label, told)).toEqual(lines);
});

test('flags of the question are said', () => {
  const asked = { ...ASKED, dnssecOk: true, checkingDisabled: true };
  expect(rendered(report(), asked)).toMatch(
    /^asked {7}api\.example\.org A, DNSSEC records wanted, checking disabled\n/,
  );
});

test('a hundred addresses fit on a screen', () => {
  const all = Array.from({ length: 100 }, (_, i) => a(NAME, [192, 0, 2, i], 30));
  const granted = Array.from({ length: 100 }, (_, i) => ({ address: `192.0.2.${i}`, ports: 'tcp443', leftMs: 90_000 }));
  const told = report({ said: said(all), reply: reply(all), granted });
  expect(rendered(told).split('\n').length).toBeLessThan(40);
  expect(step('chain', told).at(-1)).toBe('and 88 more: -o json has them all');
  expect(step('granted', told)).toEqual([
    expect.stringMatching(/^192\.0\.2\.0, .*192\.0\.2\.7 and 92 more on tcp443 /),
  ]);
});

test.each([
  [11, 'NOERROR after 13 ms, 385 bytes, flags qr rd ra'],
  [20, 'NOERROR after 13 ms, 664 bytes (over UDP without EDNS: truncated), flags qr rd ra'],
  [60, 'NOERROR after 13 ms, 1904 bytes (over UDP: truncated, to be asked again over TCP), flags qr rd ra'],
])('a reply with %i addresses: what a client over UDP gets', (count, line) => {
  const all = Array.from({ length: count }, (_, i) => a(NAME, [192, 0, 2, i], 30));
  expect(step('answered', report({ said: said(all), reply: reply(all) }))[0]).toBe(line);
});

test('records of other sections are marked', () => {
  const soa = record({ owner: 'example.org', type: 2, rdata: [1, 0x61, 0] });
  expect(step('answered', report({ said: said([]), reply: reply([], { authority: [soa] }) })).slice(1)).toEqual([
    'example.org 300 NS a (authority)',
  ]);
});

test('nothing that an upstream made up moves the cursor of a terminal', () => {
  const evil = [6, 0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0x0d, 0];
  const answers = [cname(NAME, evil), a(evil, [192, 0, 2, 8])];
  const text = rendered(report({ said: said(answers), reply: reply(answers) }));
  expect(text).toContain('\\027[2J\\010\\013');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
});
