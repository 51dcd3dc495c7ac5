import { afterEach, expect, test, vi } from 'vitest';
import { ALL, examine } from '../../../../src/agent/doctor/examine.ts';
import { ok, worst } from '../../../../src/agent/doctor/finding.ts';
import type { Fault } from '../../../../src/agent/doctor/finding.ts';
import { KernelError } from '../../../../src/kernel/kernel-error.ts';
import { contextOf } from './context.ts';

test('every check gives one finding under its own name, in order', async () => {
  const findings = await examine(contextOf({}));
  expect(findings.map(({ check }) => check)).toEqual(ALL.map(([name]) => name));
});

test('a check that cannot look is a warning, and the others go on', async () => {
  const broken = () => Promise.reject(new KernelError('not-found', 'Cannot find the program "nft"'));
  const fine = () => Promise.resolve(ok('fine', 'all'));
  const findings = await examine(contextOf({}), [
    ['broken', broken],
    ['fine', fine],
  ]);
  expect(findings).toMatchObject([
    { check: 'broken', status: 'warn', found: 'not known: Cannot find the program "nft"' },
    { check: 'fine', status: 'ok' },
  ]);
});

afterEach(() => {
  vi.useRealTimers();
});

test('a check that never ends is a warning after ten seconds', async () => {
  vi.useFakeTimers();
  const findings = examine(contextOf({}), [['stuck', () => new Promise(() => undefined)]]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await findings).toMatchObject([{ check: 'stuck', status: 'warn', found: 'not known: no answer in 10 s' }]);
});

test('whatever is not ok says why and what mends it', async () => {
  const findings = await examine(contextOf({ files: { '/proc/self/status': 'CapEff:\t0\n' } }));
  const wrong = findings.filter(({ status }) => status !== 'ok');
  expect(wrong.length).toBeGreaterThan(0);
  for (const { why, mend } of wrong) expect([typeof why, typeof mend]).toEqual(['string', 'string']);
});

test('of several faults the worst gives status, why and mend, and all are told', () => {
  const fault = (status: Fault['status'], found: string): Fault => ({
    status,
    found,
    why: `why ${found}`,
    mend: found,
  });
  expect(worst('c', [fault('warn', 'a'), fault('fail', 'b'), fault('warn', 'd')], '')).toEqual({
    check: 'c',
    status: 'fail',
    found: 'b; a; d',
    why: 'why b',
    mend: 'b',
  });
});
