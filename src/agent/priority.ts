// Who runs first where threads share a core: queries, then all the rest of this process.
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** The threads that a query passes; they are named so by datapath-host.ts. */
const QUERY_THREADS: ReadonlySet<string> = new Set(['datapath', 'committer']);
/** The engine's: they compile and collect garbage, for the query threads, too. */
const ENGINE_THREAD = /V8Worker/;
/** The least there is: on a busy core still one part in seventy (sched(7)), which the audit log's budget fits into. */
const OTHERS_NICE = 19;
/**
 * Where we have CAP_SYS_NICE the query threads are raised: what a thread of lower weight is owed it takes at once, up to a tick (4 ms), and
 * queries wait meanwhile. One part in seventy of a storm's time is more than the 1 % that a p99 is about.
 */
const QUERY_NICE = -10;
/** Then a tenth is for the engine: with less, on a core that is never idle, the data plane's code stays uncompiled and half as fast. */
const ENGINE_NICE = 0;
/** And one in two hundred for all others: nft, which the main thread starts, needs 0.2 s for a large change and has 60. */
const BESIDE_RAISED_NICE = 14;

/**
 * Lowers every thread of this process but those that a query passes: threads that start later inherit it. Call it when the query threads run
 * (setpriority(2), notes: a nice value is a thread's).
 */
export function letQueriesFirst(): void {
  const threads = readdirSync('/proc/self/task').map((thread) => ({ id: Number(thread), name: nameOf(thread) }));
  const queries = threads.filter(({ name }) => QUERY_THREADS.has(name));
  const isRaised = queries.every(({ id }) => renice(id, QUERY_NICE));
  for (const { id, name } of threads) {
    if (QUERY_THREADS.has(name)) continue;
    if (!isRaised) renice(id, OTHERS_NICE);
    else renice(id, ENGINE_THREAD.test(name) ? ENGINE_NICE : BESIDE_RAISED_NICE);
  }
}

function nameOf(thread: string): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
  } catch {
    return ''; // it has ended meanwhile
  }
}

/** False when the thread has ended, or may not be raised (EACCES). */
function renice(thread: number, nice: number): boolean {
  try {
    setPriority(thread, nice);
    return true;
  } catch {
    return false;
  }
}
