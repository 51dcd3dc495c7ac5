import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { defineConfig } from 'vitest/config';

const MUTATED = process.env['MUTATED'] ?? '';

/** Those that most mutations die of, after the test of the file itself; then the rest. */
const ORDER = [MUTATED, 'static-match', 'static-rules', 'policy-compiled', 'policy-incremental'];

/** Slow, and about these files alone. */
const ABOUT: Readonly<Record<string, readonly string[]>> = {
  'policy-cidrs': ['cidr'],
  'policy-names': ['names'],
  'name-table': ['names', 'name-table', 'name-ends'],
};
const LEFT_OUT = Object.keys(ABOUT).filter((name) => MUTATED !== '' && ABOUT[name]?.includes(MUTATED) !== true);

class LikelyFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = ORDER.indexOf(basename(moduleId, '.test.ts'));
      return at < 0 ? ORDER.length : at;
    };
    return Promise.resolve(files.toSorted((a, b) => rank(a) - rank(b)));
  }
}

// What decides about the compiler, one file after the other until the first test fails. In a copy of the repository (run.ts).
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  cacheDir: '.cache',
  test: {
    include: [
      'test/unit/policy/*.test.ts',
      'test/property/{policy-compiled,policy-incremental,policy-cidrs,policy-names,name-table}.test.ts',
    ],
    exclude: LEFT_OUT.map((name) => `test/property/${name}.test.ts`),
    setupFiles: 'test/mutations/same-cases.ts',
    testTimeout: 60_000,
    bail: 1,
    pool: 'threads',
    maxWorkers: 1,
    isolate: false,
    sequence: { sequencer: LikelyFirst },
  },
});
