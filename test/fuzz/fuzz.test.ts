// The short run. It is a process of its own: bytes that make the loop run for ever would stop the timeouts of this one, too.
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writeCase } from './case.ts';
import { anyCase } from './generate/cases.ts';
import { Player } from './player.ts';

const RUN = new URL('run.ts', import.meta.url).pathname;
const SECONDS = 5;
const OPTIONS = { strategy: 'update', commits: 'loop', denial: 'nxdomain' } as const;

test('the corpus, and five seconds of cases bred from it, break no promise', () => {
  const args = [RUN, '--minutes', String(SECONDS / 60), '--seed', '1'];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 100_000 });
  expect(`${stdout}${stderr}`).toContain('nothing found');
  expect(status).toBe(0);
  const [, replies, addresses, questions, grants] =
    /judged: (\d+) replies, (\d+) addresses in them, (\d+) questions, (\d+) grants/.exec(stdout) ?? [];
  for (const judged of [replies, addresses, questions, grants]) expect(Number(judged)).toBeGreaterThan(100);
}, 120_000);

test('a case that was never seen before breaks no promise', () => {
  let player = new Player(OPTIONS);
  fc.assert(
    fc.property(anyCase, (steps) => {
      const { findings } = player.play(steps);
      if (findings.length === 0) return;
      player = new Player(OPTIONS);
      expect.fail(`${findings.map(({ kind, text }) => `${kind}: ${text}`).join('\n')}\n${writeCase(steps)}`);
    }),
    { numRuns: 300 },
  );
});
