// Whether the agent lives and is ready, and why not. It only keeps what it is told; nothing is decided by it but what a probe hears.
import type { Logger } from '../base/log.ts';

/** Where `namewall probe` asks when nobody says otherwise. */
export const HEALTH_SOCKET = '/run/namewall/health.sock';

/** What keeps the agent from being ready; several may. */
export type NotReady =
  | 'starting'
  | 'no DNS server known'
  | 'table deleted'
  | 'last change was refused by the kernel'
  | 'packets of bridged clients pass unseen'
  | 'something around it is wrong'
  | 'the data plane hangs';

export interface HealthStatus {
  /** False: a restart may help, nothing else will. */
  readonly live: boolean;
  readonly ready: boolean;
  /** Each with what exactly is wrong and the command that mends it, where that is known. */
  readonly reasons: readonly string[];
  /** What is wrong and keeps nothing from working. */
  readonly warnings: readonly string[];
}

/** The loop turns ten times a second when it has nothing to do, and what it does in one turn takes milliseconds. */
const HANGS_AFTER_MS = 10_000;

export class Health {
  readonly #nowMs: () => number;
  readonly #log: Logger;
  /** What keeps it from being ready, and what exactly, or ''. */
  readonly #reasons = new Map<NotReady, string>([['starting', '']]);
  readonly #warnings: (() => readonly string[])[] = [];
  #turns: (() => number) | undefined;
  #lastTurns = -1;
  #turnedAtMs = 0;
  #told = '';

  constructor(nowMs: () => number, log: Logger) {
    this.#nowMs = nowMs;
    this.#log = log;
  }

  /** `detail` says what exactly, and the command that mends it. */
  hold(reason: NotReady, detail = ''): void {
    this.#reasons.set(reason, detail);
  }

  clear(reason: NotReady): void {
    this.#reasons.delete(reason);
  }

  /** Logs whether the agent is ready, if that has changed. */
  tell(details: Readonly<Record<string, unknown>> = {}): void {
    const { ready, reasons } = this.status();
    const text = ready ? 'ready' : `not ready: ${reasons.join(', ')}`;
    if (text === this.#told) return;
    this.#told = text;
    if (ready) this.#log.info(details, text);
    else this.#log.warn(details, text);
  }

  /** `warnings` is asked at each probe, beside others. */
  warnOf(warnings: () => readonly string[]): void {
    this.#warnings.push(warnings);
  }

  /** From now on the loop must turn: `turns` counts them. Until then there is none that could hang. */
  watch(turns: () => number): void {
    this.#turns = turns;
    this.look();
  }

  /** Call it every second or so: a turn counts from the moment that it was seen. */
  look(): void {
    const turns = this.#turns?.() ?? -1;
    if (turns === this.#lastTurns) return;
    this.#lastTurns = turns;
    this.#turnedAtMs = this.#nowMs();
  }

  status(): HealthStatus {
    this.look();
    const live = this.#turns === undefined || this.#nowMs() - this.#turnedAtMs < HANGS_AFTER_MS;
    const held = [...this.#reasons].map(([reason, detail]) => (detail === '' ? reason : `${reason}: ${detail}`));
    const reasons = [...held, ...(live ? [] : (['the data plane hangs'] as const))];
    return { live, ready: reasons.length === 0, reasons, warnings: this.#warnings.flatMap((ask) => ask()) };
  }
}
