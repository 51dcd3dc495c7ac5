// Which interfaces lead to clients, how they hang together with bridges, and whether what passes those bridges is seen at all.
import { isDeepStrictEqual } from 'node:util';
import { bridgePorts, linkLocalAddresses, linksTo, passBridgedPackets } from '../kernel/bridges.ts';
import { runProgram } from '../kernel/program.ts';
import type { RunProgram } from '../kernel/program.ts';
import type { Config } from './config.ts';
import type { Health } from './health.ts';
import type { RulesContext } from './rules.ts';
import type { State } from './state.ts';

type Answer = Omit<RulesContext, 'config'>;

const NO_BRIDGES: ReadonlyMap<string, string> = new Map();
const NO_ANSWER: Answer = { bridges: NO_BRIDGES, gateways: [], podLinks: [] };
/** Asking takes processes; changes that follow each other closely share an answer. */
const KEPT_MS = 5_000;

export class Links {
  readonly #config: Config;
  readonly #health: Health;
  readonly #run: RunProgram;
  #answer = NO_ANSWER;
  /** What the answer is about; undefined: whatever comes next is asked anew. */
  #asked: string | undefined;
  #askedAtMs = 0;

  constructor(config: Config, health: Health, run: RunProgram = runProgram) {
    this.#config = config;
    this.#health = health;
    this.#run = run;
  }

  /** The context of rules for `state`. Where a client is behind a bridge its packets are made to pass netfilter, or health is told. Throws KernelError. */
  async contextOf(state: State): Promise<RulesContext> {
    const question = questionOf(state);
    const asked = JSON.stringify(question);
    const isKept = asked === this.#asked && performance.now() - this.#askedAtMs < KEPT_MS;
    if (!isKept) {
      this.#answer = await this.#ask(question);
      this.#asked = asked;
      this.#askedAtMs = performance.now();
    }
    return { config: this.#config, ...this.#answer };
  }

  /**
   * Whether interfaces still are what contextOf answered last. When they are not, the next contextOf answers what is true now: whoever is told
   * applies the rules once more. Throws KernelError.
   */
  async isAsAsked(state: State): Promise<boolean> {
    const isSame = isDeepStrictEqual(await this.#ask(questionOf(state)), this.#answer);
    if (!isSame) this.#asked = undefined;
    return isSame;
  }

  async #ask({ links, addresses }: Question): Promise<Answer> {
    const bridges = links.length === 0 ? NO_BRIDGES : await bridgePorts(this.#run);
    const own = new Set(links.flatMap((link) => bridges.get(link) ?? []));
    const gateways = own.size === 0 ? [] : await linkLocalAddresses(own, this.#run);
    const mend = own.size === 0 ? undefined : passBridgedPackets();
    if (mend === undefined) this.#health.clear('packets of bridged clients pass unseen');
    else this.#health.hold('packets of bridged clients pass unseen', `run ${mend}`);
    // The port of a bridged client is guarded itself (bridge-guard.ts), and others on the bridge may be routers.
    const direct = links.filter((link) => !bridges.has(link));
    const podLinks = [...new Set([...direct, ...(await linksTo(addresses, this.#run))])];
    return { bridges, gateways: gateways.toSorted(), podLinks: podLinks.toSorted() };
  }
}

interface Question {
  /** Clients' own. */
  readonly links: readonly string[];
  /** Of selected pods whose interface nobody told. */
  readonly addresses: readonly string[];
}

function questionOf({ registry, compiled }: State): Question {
  const isSelected = (i: number): boolean => (compiled.programOfPod[i] ?? -1) >= 0;
  return {
    links: registry.pods.flatMap(({ pod }) => pod.interface ?? []).toSorted(),
    addresses: registry.pods
      .flatMap(({ pod }, i) => (pod.interface === undefined && isSelected(i) ? pod.addresses : []))
      .toSorted(),
  };
}
