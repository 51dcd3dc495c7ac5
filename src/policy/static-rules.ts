// Rules that no lookup changes, of one policy's rule → what the kernel gets: deny rules, allow rules, and the destinations that they name.
import { addressesOf, type Surroundings } from './destinations.ts';
import type { Destination, StaticRule } from './compiled.ts';
import type { ReachRule } from './policy.ts';

/** Of all policies, while they are compiled. */
export class Destinations {
  readonly #found: Destination[] = [];
  readonly #surroundings: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  get all(): readonly Destination[] {
    return this.#found;
  }

  /** `rule`: index into CompiledPolicy.rules. `key` must be of this rule alone, and stay when its addresses change. */
  lower(reach: ReachRule, rule: number, key: string): StaticRule[] {
    const { to, traffic } = reach;
    const places: StaticRule['to'][] = [];
    if (to.some(({ kind }) => kind === 'any') || this.#mayMissOne(reach)) places.push('any');
    if (to.some(({ kind }) => kind === 'host')) places.push('host');
    if (to.some(({ kind }) => kind === 'cidr' || kind === 'pods')) {
      places.push(this.#found.push({ key, cidrs: addressesOf(reach, this.#surroundings) }) - 1);
    }
    return places.map((place) => ({ to: place, traffic, rule }));
  }

  /** To deny pods whose addresses nobody knows is to deny everybody. */
  #mayMissOne({ to, verdict }: ReachRule): boolean {
    return verdict === 'deny' && !this.#surroundings.knowsAllPods && to.some(({ kind }) => kind === 'pods');
  }
}
