// `commit`: elements a second by raw nfnetlink, as the data plane writes them: by batch size, by how many elements the set has, and by how
// many chains ask the set. In a namespace of its own; the work is in commit-child.ts, since a process cannot change its namespace.
import { runCommand } from '../../src/cli/demo/command.ts';
import type { Figure, Outcome } from './report.ts';

export async function commit(): Promise<Outcome> {
  const namespace = `namewall-bench-${process.pid}`;
  await runCommand(['ip', 'netns', 'add', namespace]);
  try {
    const child = new URL('commit-child.ts', import.meta.url).pathname;
    const output = await runCommand(['ip', 'netns', 'exec', namespace, 'taskset', '-c', '0', process.execPath, child]);
    return { results: [], figures: JSON.parse(output) as Figure[], refusals: [] }; // commit-child.ts prints nothing else
  } finally {
    await runCommand(['ip', 'netns', 'del', namespace]);
  }
}
