// Fuzzes for a time: cases are told anew or bred from those that reached something new, played in worlds of several kinds, and what is found is
// written down.
import fc from 'fast-check';
import type { Case } from './case.ts';
import { writeCase } from './case.ts';
import { breed } from './breed.ts';
import type { Coverage } from './coverage.ts';
import { anyCase } from './generate/cases.ts';
import { judge, leastCost, MOST_MS, playAlone, SLOW } from './judge.ts';
import type { Verdict } from './judge.ts';
import type { Finding } from './oracle/ledger.ts';
import { Player } from './player.ts';
import type { Played, PlayerOptions } from './player.ts';
import { Pool } from './pool.ts';
import { Random } from './random.ts';
import type { Watchdog } from './watchdog.ts';

const BATCH = 32;
const TOLD_AT_ONCE = 128;
/** Of ten cases so many are told anew. */
const TOLD_OF_TEN = 3;
/** What a world has played last, for findings that one case alone does not show. */
const HISTORY = 32;
/** Findings of one kind are taken for one fault. */
const MOST_KINDS = 20;
export const KINDS_OF_WORLD: readonly PlayerOptions[] = [
  { strategy: 'update', commits: 'loop', denial: 'nxdomain' },
  { strategy: 'update', commits: 'thread', denial: 'refused' },
  { strategy: 'replace', commits: 'loop', denial: 'nodata' },
];

export interface EngineOptions {
  readonly seed: number;
  readonly seeds: readonly Case[];
  /** Without it nothing guides: cases are told anew, or bred from the seeds. */
  readonly coverage: Coverage | undefined;
  /** False: coverage is measured, and nothing is kept for it. */
  readonly isGuided: boolean;
  readonly watchdog: Watchdog | undefined;
  readonly found: (verdict: Verdict) => void;
}

interface Place {
  readonly options: PlayerOptions;
  player: Player;
  readonly history: Case[];
}

export class Engine {
  messages = 0;
  cases = 0;
  slowestMs = 0;
  readonly pool = new Pool();
  readonly #options: EngineOptions;
  readonly #random: Random;
  readonly #places: Place[];
  readonly #kinds = new Set<string>();
  #told: Case[] = [];
  #tellings: number;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#tellings = options.seed;
    this.#places = KINDS_OF_WORLD.map((each) => ({ options: each, player: new Player(each), history: [] }));
    for (const seed of options.seeds) this.pool.keep(seed);
    for (const place of this.#places) for (const seed of options.seeds) this.#play(place, seed);
    this.#learn();
  }

  /** What the worlds that are there now have judged. */
  get judged(): string {
    const sum = (key: keyof Player['judged']): number =>
      this.#places.reduce((all, { player }) => all + player.judged[key], 0);
    return `${sum('replies')} replies, ${sum('addresses')} addresses in them, ${sum('questions')} questions, ${sum('grants')} grants`;
  }

  /** Plays a batch of cases. */
  step(): void {
    const place = this.#random.pick(this.#places);
    const batch = Array.from({ length: BATCH }, () => this.#next());
    for (const steps of batch) {
      const { signature } = this.#play(place, steps);
      if (this.#options.isGuided && this.pool.isNewSort(signature)) this.pool.keep(steps);
    }
    const { coverage } = this.#options;
    const reached = coverage?.take();
    if (coverage === undefined || reached === undefined || !coverage.isNew(reached)) return;
    // One of them did: each is played again by itself.
    for (const steps of this.#options.isGuided ? batch : []) {
      this.#play(place, steps);
      if (this.#learn() > 0) this.pool.keep(steps);
    }
    coverage.learn(reached);
  }

  #learn(): number {
    const { coverage } = this.#options;
    return coverage?.learn(coverage.take()) ?? 0;
  }

  #next(): Case {
    if (this.#random.below(10) < TOLD_OF_TEN || this.pool.size === 0) {
      if (this.#told.length === 0) this.#told = fc.sample(anyCase, { seed: this.#tellings++, numRuns: TOLD_AT_ONCE });
      return this.#told.pop() ?? [];
    }
    return breed(this.pool.pick(this.#random), this.pool.pick(this.#random), this.#random);
  }

  #play(place: Place, steps: Case): Played {
    this.#watch(steps);
    const played = place.player.play(steps);
    this.cases++;
    this.messages += played.messages;
    const [finding] = played.findings;
    if (finding !== undefined) this.#judge(place, steps, finding);
    else this.#judgeCost(place, steps, played.slowestMs);
    place.history.push(steps);
    if (place.history.length > HISTORY) place.history.shift();
    return played;
  }

  /** What is slow once need not be slow: the machine is not ours alone. */
  #judgeCost({ player, options }: Place, steps: Case, milliseconds: number): void {
    const least = leastCost(player, steps, milliseconds);
    this.slowestMs = Math.max(this.slowestMs, least);
    if (least <= MOST_MS || this.#kinds.has(SLOW)) return;
    const finding = playAlone(steps, options);
    if (finding?.kind !== SLOW) return;
    this.#kinds.add(SLOW);
    this.#options.found({ finding, steps, isRepeated: true });
  }

  #watch(steps: Case): void {
    this.#options.watchdog?.watch(writeCase(steps));
  }

  #judge(place: Place, steps: Case, finding: Finding): void {
    place.player = new Player(place.options); // who knows what the old one is left with
    if (this.#kinds.has(finding.kind) || this.#kinds.size >= MOST_KINDS) return;
    this.#kinds.add(finding.kind);
    const found = { steps, finding, before: place.history.splice(0) };
    this.#options.found(judge(found, place.options, (each) => this.#watch(each)));
  }
}
