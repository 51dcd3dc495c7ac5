// Who runs first where threads share a core: queries, then all the rest of this process.
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** The threads that a query passes; they are named so by datapath-host.ts. */
const QUERY_THREADS: ReadonlySet<string> = new Set(['datapath', 'committer']);
/** The least there is: on a busy core still one part in seventy (sched(7)), which the audit log's budget fits into. */
const OTHERS_NICE = 19;
/**
 * What a thread of lower weight is owed it takes at once, up to a tick (4 ms), and queries wait. One part in seventy of all time is more than
 * the 1 % that a p99 is about; with this, where we have CAP_SYS_NICE, it is one in six hundred.
 */
const QUERY_NICE = -10;

/**
 * Lowers every thread of this process but those that a query passes, the engine's own included: threads that start later inherit it. Those two
 * are raised where the process may. Call it when they run (setpriority(2), notes: a nice value is a thread's).
 */
export function letQueriesFirst(): void {
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      const name = readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
      setPriority(Number(thread), QUERY_THREADS.has(name) ? QUERY_NICE : OTHERS_NICE);
    } catch {
      continue; // it has ended meanwhile, or may not be raised: EACCES
    }
  }
}
