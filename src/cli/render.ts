// How commands print what several of them print.
import type { Problem } from '../base/errors.ts';
import type { CliIo } from './io.ts';

/** One line a problem, as compilers write them: editors jump to the place. */
export function printProblems(problems: readonly Problem[], io: CliIo): void {
  for (const { at, code, message } of problems) io.err(`${at}: error[${code}]: ${message}\n`);
}
