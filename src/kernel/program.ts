// Runs `nft` and `ip`: no shell, arguments as they are, input on stdin. A port with one purpose: tests run the same calls inside a
// network namespace of their own.
import { runToEnd } from '../sys/spawn.ts';
import { SysError } from '../sys/sys.ts';
import { KernelError } from './kernel-error.ts';

/** Runs a program to its end and answers its stdout. Throws KernelError with what it said on stderr. */
export type RunProgram = (program: 'nft' | 'ip', args: readonly string[], input?: string) => Promise<string>;

/** Another program's transaction may hold the kernel's lock for a second; a program that takes this long hangs, and everything behind it. */
const PATIENCE_MS = 60_000;
// The listing of a table with a thousand chains is some hundred KiB.
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export const runProgram: RunProgram = (program, args, input) => runCommand(program, [program, ...args], input);

/** `command` is the whole command line; `program` is the code under which its failure is reported. */
export async function runCommand(program: 'nft' | 'ip', command: readonly string[], input = ''): Promise<string> {
  const limits = { patienceMs: PATIENCE_MS, maxBytes: MAX_OUTPUT_BYTES };
  const { exitCode, stdout, stderr } = await runToEnd(command, input, limits).catch((cause: unknown) => {
    if (!(cause instanceof SysError)) throw cause;
    if (cause.code !== 'ENOENT') throw new KernelError(program, cause.message, { cause });
    throw new KernelError('not-found', `Cannot find the program "${command[0]}"`, { cause });
  });
  if (exitCode === 0) return stdout;
  throw new KernelError(program, stderr.trim() || `"${command.join(' ')}" ended with ${exitCode ?? 'a signal'}`);
}
