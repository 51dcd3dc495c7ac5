// Runs `nft` and `ip`: no shell, arguments as they are, input on stdin. A port with one purpose: tests run the same calls inside a
// network namespace of their own.
import { execFile } from 'node:child_process';
import { KernelError } from './kernel-error.ts';

/** Runs a program to its end and answers its stdout. Throws KernelError with what it said on stderr. */
export type RunProgram = (program: 'nft' | 'ip', args: readonly string[], input?: string) => Promise<string>;

/** Another program's transaction may hold the kernel's lock for a second; a program that takes this long hangs, and everything behind it. */
const PATIENCE_MS = 60_000;
// The listing of a table with a thousand chains is some hundred KiB.
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export const runProgram: RunProgram = (program, args, input) => runCommand(program, [program, ...args], input);

/** `command` is the whole command line; `program` is the code under which its failure is reported. */
export function runCommand(program: 'nft' | 'ip', command: readonly string[], input = ''): Promise<string> {
  const [file = program, ...args] = command;
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: MAX_OUTPUT_BYTES, timeout: PATIENCE_MS, env: { ...process.env, LC_ALL: 'C' } };
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const missing = error.code === 'ENOENT';
      const said = missing ? `Cannot find the program "${file}"` : stderr.trim() || error.message;
      reject(new KernelError(missing ? 'not-found' : program, said, { cause: error }));
    });
    // A program that ends without reading its input closes the pipe; its exit status tells why.
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.stdin?.end(input);
  });
}
