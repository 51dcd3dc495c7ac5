// How clients' interfaces hang together with bridges, and whether what passes those bridges is seen at all.
import { bridgePorts, linkLocalAddresses, passBridgedPackets } from '../kernel/bridges.ts';
import type { Config } from './config.ts';
import type { Health } from './health.ts';
import type { RulesContext } from './rules.ts';
import type { State } from './state.ts';

const NO_BRIDGES: ReadonlyMap<string, string> = new Map();
/** Asking takes a process; interfaces do not change their bridge while policy does. */
const KEPT_MS = 5_000;

export class Links {
  readonly #config: Config;
  readonly #health: Health;
  #bridges = NO_BRIDGES;
  #gateways: readonly string[] = [];
  #asked = '';
  #askedAtMs = 0;

  constructor(config: Config, health: Health) {
    this.#config = config;
    this.#health = health;
  }

  /** The context of rules for `state`. Where a client is behind a bridge its packets are made to pass netfilter, or health is told. Throws KernelError. */
  async contextOf(state: State): Promise<RulesContext> {
    const links = state.registry.pods.flatMap(({ pod }) => pod.interface ?? []);
    const asked = links.toSorted().join();
    const isKept = asked === this.#asked && performance.now() - this.#askedAtMs < KEPT_MS;
    if (!isKept) await this.#ask(links);
    this.#asked = asked;
    return { config: this.#config, bridges: this.#bridges, gateways: this.#gateways };
  }

  async #ask(links: readonly string[]): Promise<void> {
    this.#bridges = links.length === 0 ? NO_BRIDGES : await bridgePorts();
    this.#askedAtMs = performance.now();
    const own = new Set(links.flatMap((link) => this.#bridges.get(link) ?? []));
    this.#gateways = own.size === 0 ? [] : await linkLocalAddresses(own);
    const mend = own.size === 0 ? undefined : passBridgedPackets();
    if (mend === undefined) this.#health.clear('packets of bridged clients pass unseen');
    else this.#health.hold('packets of bridged clients pass unseen', mend);
  }
}
