// Takes everything of ours out of the kernel: after a stop, after kill -9, when half of it is gone already, or twice.
import { listObjects } from './apply.ts';
import { KernelError } from './kernel-error.ts';
import { TABLE } from './nft-text.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';
import { removeRoutes } from './routes.ts';
import { SCRATCH_TABLE } from './self-test.ts';
import { SHIELD_TABLE } from './shield.ts';

export interface CleanupOptions {
  readonly mark: number;
  /** The routing table of routes.ts. */
  readonly table: number;
}

/** Attempts every part even when one fails; throws one KernelError for all that failed. */
export async function cleanup(options: CleanupOptions, run: RunProgram = runProgram): Promise<void> {
  // `add` first: deleting a table that is not there is an error, and `destroy` is not known to nft before 1.0.8.
  const removal = (table: string) => run('nft', ['-f', '-'], `add table inet ${table}\ndelete table inet ${table}\n`);
  // The rules that send packets to us go first, while what judges them still stands.
  const guard = async (): Promise<void> => {
    if ((await listObjects(run)).hasBridgeGuard) await run('nft', ['-f', '-'], `delete table bridge ${TABLE}\n`);
  };
  const parts = [
    () => removeRoutes(options, run),
    guard,
    () => removal(TABLE),
    () => removal(SHIELD_TABLE),
    () => removal(SCRATCH_TABLE),
  ];
  const failures: unknown[] = [];
  for (const part of parts) await part().catch((error: unknown) => failures.push(error));
  if (failures.length === 0) return;
  const messages = failures.map((error) => (error instanceof Error ? error.message : String(error)));
  throw new KernelError('nft', `Cannot clean up: ${messages.join('; ')}`, { cause: new AggregateError(failures) });
}
