// Real peers agree: some hundreds of questions go to an authoritative server, and through namewall, unbound and dnsmasq to the same server. What
// differs from the direct answer is explained in test/support/respdiff/explained.ts, or fails.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { canUseKernel } from '../support/kernel.ts';
import { differences } from '../support/respdiff/compare.ts';
import { EXPLAINED, explains } from '../support/respdiff/explained.ts';
import { observe } from '../support/respdiff/observe.ts';
import type { Forwarder, Observed } from '../support/respdiff/observe.ts';
import { NSD, startPeers } from '../support/respdiff/peers.ts';
import { QUESTIONS } from '../support/respdiff/questions.ts';
import type { Reply, Section } from '../support/respdiff/reply.ts';

const POLICY = new URL('../support/policies/respdiff.yaml', import.meta.url).pathname;
const FORWARDERS: readonly Forwarder[] = ['namewall', 'unbound', 'dnsmasq'];

describe.skipIf(!canUseKernel)('compared with the direct answer', () => {
  let lab: Lab;
  let observed: Observed;

  beforeAll(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    await startPeers(lab);
    lab.configure({ policies: [POLICY], overrides: { dns: { upstreams: [NSD], queriesPerSecond: 1_000_000 } } });
    await lab.startAgent();
    observed = await observe(lab, 'cart');
  }, 120_000);

  afterAll(() => lab.remove());

  test('the direct answers hold what the zones hold', () => {
    const replies = observed.direct.filter((got) => typeof got === 'object');
    expect(replies).toHaveLength(QUESTIONS.length);
    const count = (rcode: string): number => replies.filter((reply) => reply.rcode === rcode).length;
    const types = new Set(replies.flatMap(({ sections }) => sections.answer.map(({ type }) => type)));
    expect(count('NOERROR')).toBeGreaterThan(1_500);
    expect(count('NXDOMAIN')).toBeGreaterThan(100);
    expect(count('SERVFAIL')).toBe(0);
    expect(types.size).toBeGreaterThan(50);
  });

  test.each(FORWARDERS)('what %s changes is explained', (who) => {
    const explained = EXPLAINED.filter((each) => each.who === who);
    const unexplained = observed.differences
      .filter((difference) => difference.who === who && !explained.some((each) => explains(each, difference)))
      .map(({ what, words }) => `${words.join(' ')}: ${what}`);
    expect(unexplained).toEqual([]);
  });

  test('whatever is explained still happens', () => {
    const unused = EXPLAINED.filter((each) => !observed.differences.some((difference) => explains(each, difference)));
    expect(unused).toEqual([]);
  });
});

describe('the comparison', () => {
  const ADDRESS = { type: 'A', text: '<www><> 1 1 c6336401', ttl: 300 };
  const ALIAS = { type: 'CNAME', text: '<www><> 5 1 <x><>', ttl: 300 };
  const DIRECT = reply({});

  test.each([
    ['an equal reply', {}, []],
    ['a counted-down TTL', { sections: sections({ answer: [{ ...ADDRESS, ttl: 290 }] }) }, []],
    ['a TTL that grew', { sections: sections({ answer: [{ ...ADDRESS, ttl: 301 }] }) }, ['answer TTL higher']],
    [
      'a TTL that lost more than time',
      { sections: sections({ answer: [{ ...ADDRESS, ttl: 5 }] }) },
      ['answer TTL lower'],
    ],
    ['a missing record', { sections: sections({}) }, ['answer -A']],
    ['a further record', { sections: sections({ answer: [ADDRESS, ALIAS] }) }, ['answer +CNAME']],
    ['a record that is there twice', { sections: sections({ answer: [ADDRESS, ADDRESS] }) }, ['answer twice']],
    ['another section', { sections: sections({ additional: [ADDRESS] }) }, ['answer -A', 'additional +A']],
    ['another rcode and no records', { rcode: 'SERVFAIL', sections: sections({}) }, ['rcode NOERROR→SERVFAIL']],
    ['another rcode with records', { rcode: 'NXDOMAIN' }, ['rcode NOERROR→NXDOMAIN']],
    ['another flag', { flags: 0x8420 }, ['AD 0→1']],
    ['a truncated reply, whatever it holds', { flags: 0x8600, sections: sections({}) }, ['TC 0→1']],
    ['another case of the question', { question: '0157' }, ['question changed']],
    ['no question', { question: '' }, ['question yes→no']],
    ['an OPT that nobody asked for', { opt: { version: 0, flags: 0, options: [] } }, ['OPT no→yes']],
  ] satisfies [string, Partial<Reply>, string[]][])('sees %s', (_what, over, found) => {
    expect(differences(DIRECT, reply(over), 20)).toEqual(found);
  });

  test.each([
    ['no reply', DIRECT, undefined, ['no reply']],
    ['a reply where there is none', undefined, DIRECT, ['a reply']],
    ['none of either', undefined, undefined, []],
    ['one that cannot be read', DIRECT, 'Second OPT', ['unreadable: Second OPT']],
  ])('sees %s', (_what, direct, got, found) => {
    expect(differences(direct, got, 20)).toEqual(found);
  });

  function reply(over: Partial<Reply>): Reply {
    const whole = sections({ answer: [ADDRESS] });
    return { opcode: 0, rcode: 'NOERROR', flags: 0x8400, question: '0177', sections: whole, ...over };
  }

  function sections(over: Partial<Reply['sections']>): Record<Section, Reply['sections'][Section]> {
    return { answer: [], authority: [], additional: [], ...over };
  }
});
