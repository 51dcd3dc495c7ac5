// Keeps what pods looked up in a file, for the case that policy is another one when namewall starts again: the kernel has the grants, but not
// the names that they were given for. Written every few seconds while there is something new, and at the end; losing it closes, never opens.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../base/log.ts';
import { KEPT_AFTER_END_MS } from '../bridge/protocol.ts';
import type { KeptLookup } from '../bridge/protocol.ts';
import type { DatapathHost } from './datapath-host.ts';
import { readLookups, writeLookups } from './grants-file.ts';
import { bootId, machineMs } from './machine-clock.ts';
import { owners } from './state.ts';
import type { State } from './state.ts';

const KEEP_MS = 10_000;

export class LookupKeeper {
  readonly #path: string;
  readonly #log: Logger;
  #datapath: DatapathHost | undefined;
  #state: () => State = () => {
    throw new Error('not started');
  };
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #seen = -1;
  #isTold = false;

  /** `folder` is made where it is missing. One file for each network namespace, since each may have an agent of its own. */
  constructor(folder: string, log: Logger) {
    this.#path = join(folder, `lookups-${statSync('/proc/self/ns/net').ino}`);
    this.#log = log;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      this.#complain(error);
    }
  }

  /** What the process before knew of pods of `state`. */
  async read(state: State): Promise<KeptLookup[]> {
    const saved = await readLookups(this.#path, bootId());
    if ('problem' in saved) {
      this.#log.info(
        { file: this.#path, problem: saved.problem },
        'No names from before the start: grants of pods whose policy is another one end',
      );
      return [];
    }
    const podOfOwner = new Map<string, number>();
    const current = owners(state);
    for (const { id, pod } of state.registry.pods) podOfOwner.set(current.get(pod.addresses[0] ?? '') ?? '', id);
    const nowMs = machineMs();
    return saved.lookups.flatMap(({ owner, name, addresses, untilMs }) => {
      const pod = podOfOwner.get(owner);
      return pod === undefined || untilMs <= nowMs - KEPT_AFTER_END_MS
        ? []
        : [{ pod, name, addresses, leftMs: untilMs - nowMs }];
    });
  }

  start(datapath: DatapathHost, state: () => State): void {
    this.#datapath = datapath;
    this.#state = state;
    this.#again();
  }

  /** Writes what there is to be known at the next start. Before the data plane stops. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#keeping;
    await this.#keep();
  }

  #again(): void {
    this.#timer = setTimeout(() => {
      this.#keeping = this.#keep().finally(() => this.#again());
    }, KEEP_MS);
  }

  async #keep(): Promise<void> {
    const datapath = this.#datapath;
    const seen = datapath?.counters.read().queries_received ?? -1;
    if (datapath === undefined || seen === this.#seen) return;
    try {
      const state = this.#state();
      const current = owners(state);
      const ownerOf = new Map(
        state.registry.pods.map(({ id, pod }) => [Number(id), current.get(pod.addresses[0] ?? '') ?? '']),
      );
      const kept = await datapath.keptLookups([...ownerOf.keys()]);
      const nowMs = machineMs();
      // A file that is full loses the end of the list: what grants nothing any more.
      const liveFirst = kept.toSorted((a, b) => Number(b.leftMs > 0) - Number(a.leftMs > 0));
      const lookups = liveFirst.map(({ pod, name, addresses, leftMs }) => ({
        owner: ownerOf.get(pod) ?? '',
        name,
        addresses,
        untilMs: nowMs + leftMs,
      }));
      await writeLookups(this.#path, { bootId: bootId(), generation: state.generation, savedAtMs: nowMs }, lookups);
      this.#seen = seen;
      this.#isTold = false;
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const message =
      'Cannot keep what clients looked up: after a restart with another policy they have to look names up again';
    this.#log.warn({ file: this.#path, error: String(error) }, message);
  }
}
