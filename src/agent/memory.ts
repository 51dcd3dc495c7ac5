// What numbers in audit records meant: pods and policies of the last few states. Records are drained within a fraction of a second of
// being written, so a few generations are plenty.
import type { AuditNames } from '../audit/decode.ts';
import type { Pod } from '../pods/pod.ts';
import type { PortClass, RuleRef } from '../policy/compiled.ts';
import type { State } from './state.ts';

const GENERATIONS = 16;

export class Memory implements AuditNames {
  #states: State[] = [];
  #pods = new Map<number, Pod>();

  remember(state: State): void {
    this.#states = [state, ...this.#states].slice(0, GENERATIONS);
    // From the oldest on, so that the newest labels of a pod stand.
    const registered = this.#states.toReversed().flatMap(({ registry }) => registry.pods);
    this.#pods = new Map(registered.map(({ id, pod }) => [id, pod]));
  }

  pod(id: number): Pod | undefined {
    return this.#pods.get(id);
  }

  rule(generation: number, index: number): RuleRef | undefined {
    return this.#compiled(generation)?.rules[index];
  }

  portClass(generation: number, index: number): PortClass | undefined {
    return this.#compiled(generation)?.classes[index];
  }

  #compiled(generation: number): State['compiled'] | undefined {
    return this.#states.find((state) => state.generation === generation)?.compiled;
  }
}
