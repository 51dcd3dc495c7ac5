import { expect, test } from 'vitest';
import { MATCH, match } from '../../../src/datapath/match.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { Programs, UNSELECTED, type Verdict } from '../../../src/datapath/state/programs.ts';
import { NAME_BYTES, QuerySlots } from '../../../src/datapath/state/query-slots.ts';
import { TYPE } from '../../../src/dns/codes.ts';
import { hashName } from '../../../src/dns/name-hash.ts';
import { parseNameText } from '../../../src/dns/name.ts';
import type { NameRule } from '../../../src/policy/compiled.ts';

const SEED = 5;
const OF_POD = { selected: 0, closed: 1, nobodys: 2, audited: 3 } as const;

const rule = (text: string, classes: readonly number[], number: number): NameRule => ({
  match: text.includes('*') ? 'pattern' : 'name',
  text,
  askUdp: true,
  askTcp: true,
  classes,
  rule: number,
});

/** Pods: one whose program grants api.example.org and lets *.example.net be asked, one that may nothing, one that no policy selects; and the first again, in audit mode. */
function setUp({ hints }: { hints?: 'grant' | 'strip' } = {}) {
  const slots = new QuerySlots(4);
  const programs = new Programs([
    { id: 'open', names: [rule('api.example.org', [3], 0), rule('*.example.net', [], 1)] },
    { id: 'closed', names: [] },
  ]);
  const pods = { programs: Int32Array.of(0, 1, -1, 0), isAudited: Uint8Array.of(0, 0, 0, 1) };
  const verdicts: Verdict[] = [];
  const plane = { slots, programs, pods, verdicts, settings: { hints } } as unknown as Plane; // no more is asked for
  const ask = (pod: number, name: string, qtype: number = TYPE.A, slot = 1): { code: number; verdict: unknown } => {
    const wire = parseNameText(name) ?? expect.fail(name);
    slots.pod[slot] = pod;
    slots.folded.fill(0xee, slot * NAME_BYTES, (slot + 1) * NAME_BYTES);
    slots.folded.set(wire, slot * NAME_BYTES);
    slots.qnameLength[slot] = wire.length;
    slots.qtype[slot] = qtype;
    slots.hash[slot] = hashName(wire, 0, wire.length, SEED) ^ Math.imul(qtype, 0x9e3779b1); // as receive.ts
    return { code: match(plane, slot), verdict: verdicts[slot] };
  };
  return { plane, ask };
}

const GRANTED = { mayAsk: true, classes: [3], rule: 0 };
const ASKED = { mayAsk: true, classes: [], rule: 1 };
const DENIED = { mayAsk: false, classes: [], rule: -1 };

test.each([
  ['a name that is granted', OF_POD.selected, 'api.example.org', TYPE.A, MATCH.Allowed, GRANTED],
  ['the same, IPv6', OF_POD.selected, 'api.example.org', TYPE.AAAA, MATCH.Allowed, GRANTED],
  ['a type that carries no address', OF_POD.selected, 'api.example.org', TYPE.TXT, MATCH.Allowed, GRANTED],
  ['a name that may only be asked', OF_POD.selected, 'a.example.net', TYPE.A, MATCH.Allowed, ASKED],
  ['another name', OF_POD.selected, 'api.example.com', TYPE.A, MATCH.Denied, DENIED],
  ['a name below a granted one', OF_POD.selected, 'a.api.example.org', TYPE.A, MATCH.Denied, DENIED],
  ['the root', OF_POD.selected, '.', TYPE.A, MATCH.Denied, DENIED],
  ['what another pod is granted', OF_POD.closed, 'api.example.org', TYPE.A, MATCH.Denied, DENIED],
  ['any name, when no policy selects the pod', OF_POD.nobodys, 'api.example.com', TYPE.A, MATCH.Allowed, UNSELECTED],
  // RFC 8482: an answer of every type could not be judged record by record
  ['ANY for a granted name', OF_POD.selected, 'api.example.org', TYPE.ANY, MATCH.Any, GRANTED],
  ['ANY for a name that may only be asked', OF_POD.selected, 'a.example.net', TYPE.ANY, MATCH.Any, ASKED],
  ['ANY when no policy selects the pod', OF_POD.nobodys, 'api.example.org', TYPE.ANY, MATCH.Any, UNSELECTED],
  ['ANY for a denied name is denied first', OF_POD.closed, 'api.example.org', TYPE.ANY, MATCH.Denied, DENIED],
  ['HTTPS for a granted name', OF_POD.selected, 'api.example.org', TYPE.HTTPS, MATCH.Allowed, GRANTED],
  ['HTTPS for a name that may only be asked', OF_POD.selected, 'a.example.net', TYPE.HTTPS, MATCH.Allowed, ASKED],
  ['HTTPS when no policy selects the pod', OF_POD.nobodys, 'a.example.net', TYPE.HTTPS, MATCH.Allowed, UNSELECTED],
  ['HTTPS for a denied name', OF_POD.closed, 'api.example.org', TYPE.HTTPS, MATCH.Denied, DENIED],
  ['in audit mode, a name that is granted', OF_POD.audited, 'api.example.org', TYPE.A, MATCH.Allowed, GRANTED],
  ['in audit mode, a name that is denied', OF_POD.audited, 'api.example.com', TYPE.A, MATCH.WouldDeny, UNSELECTED],
  ['in audit mode, HTTPS for a denied name', OF_POD.audited, 'a.example.com', TYPE.HTTPS, MATCH.WouldDeny, UNSELECTED],
  ['in audit mode, ANY for a denied name', OF_POD.audited, 'a.example.com', TYPE.ANY, MATCH.Any, UNSELECTED],
])('%s', (_why, pod, name, qtype, code, verdict) => {
  expect(setUp().ask(pod, name, qtype)).toEqual({ code, verdict });
});

test.each([
  ['HTTPS for a granted name', OF_POD.selected, 'api.example.org', TYPE.HTTPS, MATCH.NoData],
  ['SVCB for a granted name', OF_POD.selected, 'api.example.org', TYPE.SVCB, MATCH.NoData],
  ['another type', OF_POD.selected, 'api.example.org', TYPE.A, MATCH.Allowed],
  ['HTTPS for a name that may only be asked', OF_POD.selected, 'a.example.net', TYPE.HTTPS, MATCH.Allowed],
  ['HTTPS for a denied name', OF_POD.closed, 'api.example.org', TYPE.HTTPS, MATCH.Denied],
])('where hints are stripped: %s', (_why, pod, name, qtype, code) => {
  expect(setUp({ hints: 'strip' }).ask(pod, name, qtype).code).toBe(code);
});

test('a name that is asked again, for any type, gets the verdict that is remembered', () => {
  const { plane, ask } = setUp();
  const { verdict } = ask(OF_POD.selected, 'api.example.org', TYPE.A, 0);
  expect(ask(OF_POD.selected, 'api.example.org', TYPE.AAAA, 2).verdict).toBe(verdict);
  expect(plane.verdicts[0]).toBe(verdict);
});

test('pods of different programs do not share what is remembered of a name', () => {
  const { ask } = setUp();
  const codes = [OF_POD.selected, OF_POD.closed, OF_POD.nobodys, OF_POD.selected].map(
    (pod) => ask(pod, 'api.example.org').code,
  );
  expect(codes).toEqual([MATCH.Allowed, MATCH.Denied, MATCH.Allowed, MATCH.Allowed]);
});

test('a slot’s verdict is that of its query, not of the one before it', () => {
  const { ask } = setUp();
  expect(ask(OF_POD.selected, 'api.example.org').verdict).toEqual(GRANTED);
  expect(ask(OF_POD.selected, 'api.example.com').verdict).toEqual(DENIED);
});
