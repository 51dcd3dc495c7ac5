// Counts packets where they arrive: rules in the world's namespace, before anything there can drop them. What a pod did not get out is
// counted nowhere else, and a counter never misses what a socket would not take.
import { runCommand } from '../../src/cli/demo/command.ts';
import type { Lab } from '../../src/cli/demo/lab.ts';

const TABLE = 'far_side';

export class FarCounters {
  readonly #namespace: string;

  private constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** `matches`: a counter's name → what it counts, as nft writes it (`ip saddr 10.0.1.7 udp dport 7000`). */
  static async install(lab: Lab, matches: Readonly<Record<string, string>>): Promise<FarCounters> {
    const counters = new FarCounters(lab.worldNamespace);
    const text = [
      `table inet ${TABLE} {`,
      ...Object.keys(matches).map((name) => `counter ${name} {}`),
      'chain arrived { type filter hook prerouting priority -300; policy accept;',
      ...Object.entries(matches).map(([name, match]) => `${match} counter name ${name}`),
      '}\n}\n',
    ];
    await counters.#nft(['-f', '-'], text.join('\n'));
    return counters;
  }

  /** Packets so far. */
  async read(name: string): Promise<number> {
    const listing = await this.#nft(['list', 'counter', 'inet', TABLE, name]);
    return Number(/packets (\d+)/.exec(listing)?.[1] ?? Number.NaN);
  }

  #nft(args: readonly string[], input = ''): Promise<string> {
    return runCommand(['ip', 'netns', 'exec', this.#namespace, 'nft', ...args], input);
  }
}
