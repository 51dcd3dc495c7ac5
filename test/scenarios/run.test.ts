// Every .scn file of this folder, against both kinds of kernel: those that renew elements and those that must be made to (V4); and with both
// kinds of commit: the loop waits for the kernel, or another thread does in its stead (V24).
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { parseScenario } from '../support/scenario-text.ts';
import { runScenario } from '../support/scenario.ts';

const folder = `${import.meta.dirname}/`;
const scenarios = readdirSync(folder)
  .filter((file) => file.endsWith('.scn'))
  .toSorted()
  .map((file) => {
    const { title, statements } = parseScenario(readFileSync(folder + file, 'utf8'), file);
    return { title, file, needsThread: statements.some(({ verb }) => verb === 'hold commits') };
  });

describe.each(['update', 'replace'] as const)('renewed by %s', (strategy) => {
  describe.each(['loop', 'thread'] as const)('committed by the %s', (commits) => {
    const played = scenarios.filter(({ needsThread }) => commits === 'thread' || !needsThread);
    // Not test.each, which cuts a long title short.
    for (const { title, file } of played) {
      test(`${title} (${file})`, () => runScenario(folder + file, strategy, commits));
    }
  });
});
