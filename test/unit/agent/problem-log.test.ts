import { expect, test } from 'vitest';
import { ProblemLog } from '../../../src/agent/problem-log.ts';
import { recordedLog } from './recorded-log.ts';

const A = { code: 'bad-pattern', at: 'CiliumNetworkPolicy shop/a: spec.egress[0]', message: 'Mend the pattern' };
const B = { code: 'bad-pattern', at: 'CiliumNetworkPolicy shop/b: spec.egress[0]', message: 'Mend the pattern' };

test('a problem is logged when it comes up and when it is gone, never between', () => {
  const { log, lines, fields } = recordedLog();
  const problems = new ProblemLog(log);
  problems.report([A]);
  problems.report([A]);
  problems.report([A, B]);
  problems.report([B]);
  problems.report([B]);
  problems.report([]);
  expect(lines.map((line, i) => [line, fields[i]?.['at']])).toEqual([
    ['error Mend the pattern', A.at],
    ['error Mend the pattern', B.at],
    ['info Mended: Mend the pattern', A.at],
    ['info Mended: Mend the pattern', B.at],
  ]);
});

test('a problem that comes back is new', () => {
  const { log, lines } = recordedLog();
  const problems = new ProblemLog(log);
  for (const each of [[A], [], [A]]) problems.report(each);
  expect(lines).toHaveLength(3);
});

test('two that are the same are one', () => {
  const { log, lines } = recordedLog();
  new ProblemLog(log).report([A, A]);
  expect(lines).toHaveLength(1);
});
