// Runs the programs that the lab is made with (ip, sh). Never through a shell, so a name cannot become a command.
import { execFile } from 'node:child_process';
import { CodedError } from '../../base/errors.ts';

export type LabFault = 'command-failed' | 'child-failed' | 'agent-not-ready' | 'address-range-full';

/** The lab could not be built or used; the message says what to look at. */
export class LabError extends CodedError<LabFault> {}

// A dump of a set with 100,000 elements is about 10 MB of text.
const OUTPUT_LIMIT_BYTES = 256 << 20;

/** Runs `argv`, gives it `input` and answers its standard output. Throws LabError with its standard error when it fails. */
export function runCommand(argv: readonly string[], input = ''): Promise<string> {
  const [program = '', ...rest] = argv;
  return new Promise((resolve, reject) => {
    const child = execFile(program, rest, { maxBuffer: OUTPUT_LIMIT_BYTES }, (cause, stdout, stderr) => {
      if (cause === null) return resolve(stdout);
      reject(
        new LabError('command-failed', `Cannot run "${argv.join(' ')}": ${stderr.trim() || cause.message}`, { cause }),
      );
    });
    // A program that ends without reading its input breaks the pipe; its exit code says what went wrong.
    child.stdin?.on('error', () => undefined).end(input);
  });
}
