// Whole cases: a name is asked, answered, asked again by others; messages are mutated or left as they are; the kernel has moods.
import fc from 'fast-check';
import { CLIENTS } from '../oracle/node.ts';
import { PLAIN_VERBS } from '../case.ts';
import type { Case, Step } from '../case.ts';
import { HOW, mutate } from '../mutate.ts';
import type { Mutation } from '../mutate.ts';
import { answerOf } from './answers.ts';
import { qname } from './names.ts';
import { queryOf } from './queries.ts';
import type { QueryAsk } from './queries.ts';

const QTYPES = [1, 1, 1, 1, 1, 28, 28, 28, 65, 65, 64, 5, 15, 16, 2, 6, 33, 35, 39, 255, 252, 65_280];

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  how: fc.constantFrom(...HOW),
  where: fc.nat(0xffff),
  what: fc.nat(0xffff),
});

const mutations = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Mutation[]>([]) },
  { weight: 4, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 4 }) },
);

const mutated = (bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.tuple(bytes, mutations).map(([message, how]) => mutate(message, how));

const client = fc.constantFrom(...CLIENTS.keys());

function stepOf(ask: QueryAsk): fc.Arbitrary<Step> {
  return fc.oneof(
    { weight: 32, arbitrary: fc.record({ verb: fc.constant('ask'), client, bytes: mutated(queryOf(ask)) }) },
    { weight: 12, arbitrary: fc.record({ verb: fc.constant('ask'), client, bytes: queryOf(ask) }) },
    {
      weight: 40,
      arbitrary: fc.record({
        verb: fc.constant('answer'),
        which: fc.constantFrom(0, 0, 0, 1, 2),
        bytes: mutated(answerOf(ask)),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ verb: fc.constant('stray'), which: fc.constantFrom(0, 1), bytes: answerOf(ask) }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        verb: fc.constant('wait'),
        milliseconds: fc.constantFrom(1, 300, 400, 1_300, 5_000, 21_000),
      }),
    },
    { weight: 4, arbitrary: fc.record({ verb: fc.constant('read'), bytes: mutated(answerOf(ask)) }) },
    { weight: 4, arbitrary: fc.record({ verb: fc.constant('refuse'), times: fc.constantFrom(1, 2, 9) }) },
    {
      weight: 1,
      arbitrary: fc.record({ verb: fc.constantFrom('leave', 'join'), pod: fc.constantFrom('cart', 'twin') }),
    },
    { weight: 8, arbitrary: fc.record({ verb: fc.constantFrom(...PLAIN_VERBS.filter((verb) => verb !== 'settle')) }) },
  );
}

const question: fc.Arbitrary<QueryAsk> = fc.record({ qname, qtype: fc.constantFrom(...QTYPES) });

/** About one question, or about two whose answers may have the same addresses. */
export const anyCase: fc.Arbitrary<Case> = fc.tuple(question, question).chain(([one, two]) =>
  fc
    .record({
      first: fc.record({ verb: fc.constant('ask'), client, bytes: queryOf(one) }),
      rest: fc.array(fc.oneof({ weight: 4, arbitrary: stepOf(one) }, { weight: 1, arbitrary: stepOf(two) }), {
        minLength: 1,
        maxLength: 9,
      }),
    })
    .map(({ first, rest }) => [first, ...rest]),
);
