// Policies and pods → what the kernel and the data plane enforce. The same policies in any order mean the same. A Compiler remembers what it
// made: a change of one pod or one policy costs what it touches. What comes out is never changed afterwards.
import type { Pod } from '../pods/pod.ts';
import type { CompiledPolicy, Destination, PortClass, Program, RuleRef } from './compiled.ts';
import { addressesOf, protectedIntervals, type Surroundings } from './destinations.ts';
import { link, type Tables } from './link.ts';
import { lowerRule, slotsOf, type LoweredRule } from './lower.ts';
import type { Peer, Policy, PolicyRule } from './policy.ts';
import { compareText } from './ports.ts';
import { selects } from './select.ts';
import { Selection, type SelectingRule } from './selection.ts';
import { Slots } from './slots.ts';
import { EMPTY_WORLD, type World } from './world.ts';

/** Free places in tables beyond which they are made anew. */
const MOST_FREE = 1_024;

export type CompileOptions = Partial<Omit<World, 'pods'>>;

/** Compiles once. */
export function compile(
  policies: readonly Policy[],
  pods: readonly Pod[],
  options: CompileOptions = {},
): CompiledPolicy {
  return new Compiler().compile(policies, { ...EMPTY_WORLD, ...options, pods });
}

export class Compiler {
  #memory: Memory | undefined;

  compile(policies: readonly Policy[], world: World): CompiledPolicy {
    const known = this.#memory;
    const isSame = known !== undefined && known.place === placeOf(world);
    const memory = isSame ? known : new Memory(world);
    this.#memory = memory;
    const compiled = memory.compile(policies, world);
    if (compiled !== undefined) return compiled;
    this.#memory = new Memory(world);
    return this.#memory.compile(policies, world) ?? raise('a new memory is tidy');
  }
}

/** All that rules depend on beside policies and pods; another place takes a new memory. */
function placeOf({ pods, ...rest }: World): string {
  // What stands for the DNS servers among them (dns-access.ts).
  const dns = pods.filter(
    ({ namespace, addresses }) =>
      namespace === 'kube-system' || addresses.some((each) => rest.dnsServers.includes(each)),
  );
  return JSON.stringify([
    rest,
    dns.map(({ namespace, labels, namespaceLabels, addresses }) => [namespace, labels, namespaceLabels, addresses]),
  ]);
}

class Memory {
  readonly place: string;
  readonly #rules = new Slots<RuleRef>();
  readonly #destinations = new Slots<Destination>();
  readonly #classes: PortClass[] = [];
  readonly #classOfId = new Map<string, number>();
  readonly #selection = new Selection();
  #lowered = new Map<PolicyRule, LoweredRule>();
  #programs = new Map<string, Program>();
  #pods: ReadonlyMap<string, Pod> = new Map();
  #serial = 0;
  readonly #protected: Surroundings['protectedRanges'];

  constructor(world: World) {
    this.place = placeOf(world);
    this.#protected = protectedIntervals(world.protectedRanges);
  }

  /** Undefined: too much of what it remembers is of no use any more. */
  compile(policies: readonly Policy[], world: World): CompiledPolicy | undefined {
    const selecting = this.#selection.of(policies, world.pods);
    const used = new Set(selecting.flat());
    this.#lower(used, world);
    const tables = this.#tables();
    const programs: Program[] = [];
    const indexOf = new Map<string, number>();
    const linked = new Map<string, Program>();
    const programOfPod = selecting.map((rules) => {
      if (rules.length === 0) return -1;
      const lowered = rules.map(({ rule }) => this.#lowered.get(rule) ?? raise('a rule that selects is lowered'));
      const key = lowered.map(({ serial }) => serial).join();
      const program = linked.get(key) ?? this.#programs.get(key) ?? link(lowered, tables);
      linked.set(key, program);
      const index = indexOf.get(program.id) ?? programs.push(program) - 1;
      indexOf.set(program.id, index);
      return index;
    });
    this.#programs = linked;
    if (!this.#isTidy(programs)) return undefined;
    const answerRanges = answerRangesOf(used);
    return {
      classes: this.#classes.slice(),
      destinations: this.#destinations.all,
      rules: this.#rules.all,
      programs,
      programOfPod,
      ...(answerRanges.length === 0 ? {} : { answerRanges }),
    };
  }

  /** A class that nobody uses would be two sets in the kernel for nothing. */
  #isTidy(programs: readonly Program[]): boolean {
    const classes = new Set(programs.flatMap((program) => program.classes));
    return classes.size === this.#classes.length && this.#rules.freeCount + this.#destinations.freeCount <= MOST_FREE;
  }

  #lower(used: ReadonlySet<SelectingRule>, world: World): void {
    const { nodes, services, knowsAllPods, pods } = world;
    const surroundings = { pods, knowsAllPods, nodes, services, protectedRanges: this.#protected };
    const changed = this.#changed(pods);
    const wanted = new Map([...used].map(({ rule, policy }) => [rule, policy]));
    const kept = new Map<PolicyRule, LoweredRule>();
    for (const [rule, lowered] of this.#lowered) {
      const isWanted = wanted.get(rule) === lowered.policy;
      if (isWanted && !(changed.length > 0 && lowered.dependsOnPods)) kept.set(rule, lowered);
      else this.#forget(lowered);
    }
    this.#lowered = kept;
    if (changed.length > 0) for (const lowered of kept.values()) this.#follow(lowered, changed, surroundings);
    for (const { policy, rule, firstItem } of [...used].toSorted((a, b) => a.order - b.order)) {
      if (kept.has(rule)) continue;
      const tables = { rules: this.#rules, destinations: this.#destinations };
      const context = { world, surroundings, ...tables, serial: ++this.#serial, firstItem };
      kept.set(rule, lowerRule(policy, rule, context));
    }
  }

  #forget(lowered: LoweredRule): void {
    this.#rules.free(lowered.refs);
    this.#destinations.free(slotsOf(lowered));
  }

  /** Pods that came, went, or are others now: as they were and as they are. */
  #changed(pods: readonly Pod[]): Pod[] {
    const before = this.#pods;
    const now = new Map(pods.map((pod) => [JSON.stringify(pod), pod]));
    this.#pods = now;
    const isOther =
      (known: ReadonlyMap<string, Pod>) =>
      ([key]: [string, Pod]) =>
        !known.has(key);
    return [...[...before].filter(isOther(now)), ...[...now].filter(isOther(before))].map(([, pod]) => pod);
  }

  /** The addresses that stand for pods are others, and nothing else is. */
  #follow({ reaches }: LoweredRule, changed: readonly Pod[], surroundings: Surroundings): void {
    for (const { slot, of, key } of reaches.flatMap(({ places }) => places)) {
      if (!of.to.some((peer) => mayMean(peer, changed))) continue;
      this.#destinations.set(slot, { key, cidrs: addressesOf(of, surroundings) });
    }
  }

  #tables(): Tables {
    const classOf = ({ id, ports }: PortClass, scope: string): number => {
      const wanted = scope === '' ? id : `${id}_${scope}`;
      const known = this.#classOfId.get(wanted);
      if (known !== undefined) return known;
      const index = this.#classes.push({ id: wanted, ports }) - 1;
      this.#classOfId.set(wanted, index);
      return index;
    };
    return {
      rules: this.#rules,
      destinations: this.#destinations,
      classOf,
      classAt: (index) => this.#classes[index] ?? raise('no such class'),
    };
  }
}

function answerRangesOf(used: ReadonlySet<SelectingRule>): string[] {
  const opened = [...used].flatMap(({ rule }) =>
    rule.egress.flatMap((egress) => (egress.kind === 'connect' ? (egress.answerRanges ?? []) : [])),
  );
  return [...new Set(opened)].toSorted(compareText);
}

/** Of Services it is not looked up which pods they select. */
function mayMean(peer: Peer, pods: readonly Pod[]): boolean {
  if (peer.kind === 'pods') return pods.some((pod) => selects(peer.selector, pod));
  return peer.kind === 'services';
}

function raise(why: string): never {
  throw new Error(`Cannot compile: ${why}`);
}
