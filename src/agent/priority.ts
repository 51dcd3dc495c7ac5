// Who runs first where threads share a core: queries, then all the rest of this process.
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** The threads that a query passes; they are named so by datapath-host.ts. */
const QUERY_THREADS: ReadonlySet<string> = new Set(['datapath', 'committer']);
/** The least there is: on a busy core still one part in seventy (sched(7)), which the audit log's budget fits into. */
const OTHERS_NICE = 19;

/**
 * Lowers every thread of this process but those that a query passes, the engine's own included: threads that start later inherit it.
 * Raising the others instead would need CAP_SYS_NICE. Call it when the query threads run (setpriority(2), notes: a nice value is a thread's).
 */
export function letQueriesFirst(): void {
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      const name = readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
      if (!QUERY_THREADS.has(name)) setPriority(Number(thread), OTHERS_NICE);
    } catch {
      continue; // it has ended meanwhile
    }
  }
}
