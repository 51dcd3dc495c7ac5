// TAP version 14: the plan, a line a test, and a YAML block that says why one failed. https://testanything.org/tap-version-14-specification.html
import type { Outcome } from './run-case.ts';

export function tapHeader(count: number): string {
  return count === 0 ? 'TAP version 14\n1..0 # no tests\n' : `TAP version 14\n1..${count}\n`;
}

/** `number` counts from 1. */
export function tapLine(number: number, name: string, outcome: Outcome): string {
  const description = `${number} - ${escape(name)}`;
  if (outcome.kind === 'passed') return `ok ${description}\n`;
  if (outcome.kind === 'skipped') return `ok ${description} # SKIP ${outcome.why}\n`;
  const { reason, expected, actual } = outcome;
  const block = Object.entries({ reason, expected, actual }).map(
    ([key, text]) => `  ${key}: ${JSON.stringify(text)}\n`,
  );
  return `not ok ${description}\n  ---\n${block.join('')}  ...\n`;
}

/** An unescaped "#" would begin a directive: a test called "# SKIP" would never fail. */
function escape(name: string): string {
  return name.replaceAll('\\', '\\\\').replaceAll('#', '\\#');
}
