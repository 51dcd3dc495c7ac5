// Everything the data plane counts, in shared memory: it alone writes, any thread reads. A double holds 2^53 events.

/** Names in the order of their words; the name is also the metric's. */
export const COUNTERS = [
  'queries_received',
  'queries_dropped', // runts, responses sent to our port: nobody to answer
  'queries_malformed',
  'queries_refused', // opcode, class or type that is never forwarded
  'queries_unknown_client',
  'queries_denied',
  'queries_would_deny', // answered only because their pod is in audit mode
  'queries_over_budget', // no free slot, or the pod has too many in flight
  'queries_over_rate', // dropped before they were read: their pod asks too many a second
  'names_over_budget', // their pod asks too many names a second that the cache does not have
  'queries_local', // answered without asking anyone: special-use names, ANY, `. NS`
  'cache_hits',
  'cache_misses',
  'merged', // waited for the same question of somebody else
  'upstream_sent',
  'upstream_streamed', // of these, the ones over TCP
  'upstream_probes', // asked of servers that are down, whether they are back
  'upstream_received',
  'upstream_late', // answers to what was answered by another meanwhile
  'upstream_foreign', // wrong id or question: not an answer to anything we asked
  'upstream_malformed',
  'upstream_timeouts',
  'upstream_errors',
  'upstream_lost', // TCP connections that ended while questions waited there
  'answers_withheld', // at least one address was in a never-granted range
  'answers_capped', // more addresses than an answer may have: the others were left out
  'names_capped', // a name gave a pod more addresses than it keeps: the oldest lost their grants
  'grants_added',
  'grants_private', // of these, the ones of an address in RFC 1918, ULA or CGNAT
  'grants_refused', // a pod's quota or the table is full
  'grants_removed',
  'commits',
  'commits_failed',
  'kernel_changed', // somebody else deleted our table or sets
  'replies_sent',
  'replies_failed',
  'tcp_accepted',
  'tcp_refused', // a cap of connections was reached
  'tcp_reset', // clients that did not end their query, or did not take their answers
  'servfail',
  'internal_errors',
  'audit_lost',
] as const;

export type CounterName = (typeof COUNTERS)[number];

export class Counters {
  readonly buffer: SharedArrayBuffer;
  /** Index it with COUNT: `words[COUNT.cache_hits]! += 1`. */
  readonly words: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(COUNTERS.length * 8)) {
    this.buffer = buffer;
    this.words = new Float64Array(buffer);
  }

  read(): Record<CounterName, number> {
    const entries = COUNTERS.map((name, i) => [name, this.words[i] ?? 0]);
    // Built from COUNTERS, so that every name is there.
    return Object.fromEntries(entries) as Record<CounterName, number>;
  }
}

/** Word of each counter. */
export const COUNT = Object.fromEntries(COUNTERS.map((name, i) => [name, i])) as Record<CounterName, number>;
