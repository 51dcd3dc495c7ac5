// Empties the ring on a timer and hands the events to the sink. What was lost between is said in the log itself, in its place.
import type { AuditRing } from '../bridge/audit-ring.ts';
import type { Counters } from '../bridge/counters.ts';
import { COUNT } from '../bridge/counters.ts';
import { decode } from './decode.ts';
import type { AuditEvent } from './event.ts';
import type { AuditNames } from './decode.ts';
import type { Sink } from './sinks/sink.ts';

/** A twentieth of a second: short for a reader, and at 100,000 records a second still less than a tenth of the ring. */
const DRAIN_MS = 50;
/** Events that wait for the next time; more are lost, and counted. */
const WAITING = 20_000;
/** Events made in one go, so that the main thread stays responsive: about 10 ms. */
const AT_ONCE = 2_000;

export class AuditDrain {
  readonly #ring: AuditRing;
  readonly #counters: Counters;
  readonly #names: AuditNames;
  readonly #sink: Sink;
  /** Records lost in the ring as far as they are accounted for, and lost ones that no line has told of yet. */
  #lostInRing = 0;
  #untold = 0;
  #waiting: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(ring: AuditRing, counters: Counters, names: AuditNames, sink: Sink) {
    this.#ring = ring;
    this.#counters = counters;
    this.#names = names;
    this.#sink = sink;
  }

  start(): void {
    this.#again(DRAIN_MS);
  }

  /** An event that does not come through the ring; it is written with the next ones that do. */
  tell(event: AuditEvent): void {
    if (this.#waiting.length >= WAITING) this.#untold++;
    else this.#waiting.push(JSON.stringify(event));
  }

  /** Records that were lost before they got here. */
  lost(records: number): void {
    this.#untold += records;
  }

  /** Takes what is left and closes the sink. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    do await this.#sink.drained();
    while (this.#drain() > 0);
    await this.#sink.close();
  }

  #again(afterMs: number): void {
    this.#timer = setTimeout(() => this.#again(this.#drain() === AT_ONCE ? 0 : DRAIN_MS), afterMs);
  }

  #drain(): number {
    const lines = this.#waiting;
    this.#waiting = [];
    const { view, bytes } = this.#ring;
    const count = this.#ring.drain((offset) => {
      lines.push(JSON.stringify(decode(view, bytes, offset, this.#names)));
    }, AT_ONCE);
    const lostInRing = this.#counters.words[COUNT.audit_lost] ?? 0;
    this.#untold += lostInRing - this.#lostInRing + this.#sink.takeLost();
    this.#lostInRing = lostInRing;
    const told = this.#untold;
    if (told > 0) lines.push(JSON.stringify({ time: new Date().toISOString(), event: 'audit.lost', records: told }));
    if (lines.length === 0) return count;
    // A refused note of loss is not itself a lost record: it is told again, with what was refused beside it.
    const refused = lines.length - (told > 0 ? 1 : 0);
    this.#untold = this.#sink.write(lines) ? 0 : told + refused;
    return count;
  }
}
