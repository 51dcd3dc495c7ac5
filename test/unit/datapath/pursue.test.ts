// What scenarios do not see: how a question is written, and what is remembered of servers.
import { expect, test } from 'vitest';
import { FLAG, RCODE } from '../../../src/dns/codes.ts';
import { message, question } from '../dns/message.ts';
import { setUp } from './loop-with-connections.ts';
import { UPSTREAM } from './plane-with-pods.ts';

const POD = '10.0.1.7';

function begin() {
  const parts = setUp();
  const { sys, sent, turn, ask } = parts;
  const questions = () => sent.filter(({ to }) => to.port === UPSTREAM.port && to.address === UPSTREAM.address);
  /** The question that is pending: has it OPT? */
  const hasOpt = (): boolean => (questions().at(-1)?.bytes[11] ?? 0) === 1;
  let id = 0;
  return {
    ...parts,
    hasOpt,
    begin: (name: string): void => {
      ask(POD, name, ++id);
      turn();
    },
    /** Answers the last question of all, without OPT. */
    answer: (name: string, rcode: number): void => {
      const { bytes, from } = questions().at(-1) ?? expect.fail('nothing was asked');
      const header = { id: Buffer.from(bytes).readUInt16BE(0), flags: FLAG.QR | FLAG.RD | FLAG.RA | rcode };
      const answer = message({ ...header, questions: [question(name)] });
      sys.network.deliver(UPSTREAM, { address: UPSTREAM.address, port: from.port }, answer);
      turn();
    },
  };
}

test.each([RCODE.FormErr, RCODE.NotImp])(
  'R13: a server that answers %i with OPT and well without is asked without for half a minute',
  (rcode) => {
    const { begin: ask, answer, hasOpt, wait } = begin();
    ask('a.example.org');
    expect(hasOpt()).toBe(true);
    answer('a.example.org', rcode);
    expect(hasOpt()).toBe(false);
    answer('a.example.org', RCODE.NXDomain);
    ask('b.example.org');
    expect(hasOpt()).toBe(false);
    answer('b.example.org', RCODE.NXDomain);
    wait(30_000);
    ask('c.example.org');
    expect(hasOpt()).toBe(true);
  },
);

test('R13: a server that refuses one question with OPT and without is asked others with it: a pod can choose such questions', () => {
  const { begin: ask, answer, hasOpt, datagrams } = begin();
  ask('a.example.org');
  answer('a.example.org', RCODE.NotImp);
  expect(hasOpt()).toBe(false);
  answer('a.example.org', RCODE.NotImp);
  expect(datagrams()).toBe(1);
  ask('b.example.org');
  expect(hasOpt()).toBe(true);
});
