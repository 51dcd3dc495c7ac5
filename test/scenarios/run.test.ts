// Every .scn file of this folder, against both kinds of kernel: those that renew elements and those that must be made to (V4).
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { parseScenario } from '../support/scenario-text.ts';
import { runScenario } from '../support/scenario.ts';

const folder = `${import.meta.dirname}/`;
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.scn'))
  .toSorted();
const titleOf = (file: string) => parseScenario(readFileSync(folder + file, 'utf8'), file).title;

describe.each(['update', 'replace'] as const)('renewed by %s', (strategy) => {
  test.each(files.map((file) => [titleOf(file), file]))('%s (%s)', async (_title, file) => {
    await runScenario(folder + file, strategy);
  });
});
