// State → the kernel's rules, and the rules between two states.
import { isDeepStrictEqual } from 'node:util';
import type { RulesetInput } from '../kernel/ruleset.ts';
import type { CompiledPolicy, Destination, PortClass, Program, Segment, StaticRule } from '../policy/compiled.ts';
import type { Config } from './config.ts';
import { closedInKernel } from './inputs.ts';
import { interceptedAddresses, owners, rulesetPods } from './state.ts';
import type { State } from './state.ts';

/** What is the same for every state of a change. */
export interface RulesContext {
  readonly config: Config;
  /** Interface → the bridge that it is a port of. */
  readonly bridges: ReadonlyMap<string, string>;
  /** Link-local addresses of those bridges. */
  readonly gateways: readonly string[];
  /** Interfaces that lead to pods. */
  readonly podLinks: readonly string[];
}

/**
 * The rules of `state`; `closed` are addresses that are denied everything, `left` those that pods had before it and that may still have
 * their grants.
 */
export function rulesOf(
  { config, bridges, gateways, podLinks }: RulesContext,
  state: State,
  closed: ReadonlySet<string> = new Set(),
  left: ReadonlySet<string> = new Set(),
): Omit<RulesetInput, 'existing'> {
  return {
    mark: config.mark,
    dnsServers: state.inputs.dnsServers,
    whenDown: config.whenDown,
    verdict: config.verdict,
    logGroup: config.logGroup,
    interceptedAddresses: interceptedAddresses(state, config.intercept),
    pods: rulesetPods(state, closed, bridges),
    gateways,
    podLinks,
    leftAddresses: [...left.difference(new Set(owners(state).keys()))],
    guardedRanges: state.inputs.guardedRanges,
    classes: state.compiled.classes,
    destinations: state.compiled.destinations,
    programs: state.compiled.programs,
    protectedRanges: closedInKernel(config, state.inputs, state.compiled.answerRanges),
    queriesPerSecondPerPod: config.queriesPerSecond,
  };
}

/**
 * The rules while the data plane changes over: each pod is open to what its old program allows and to what its new one does, and to nothing else. Its
 * grants are not made yet, and what it is told from now on is what the new one lets it ask. A pod that was not selected is not yet.
 */
export function between(before: State, next: State): State {
  const added = before.compiled.classes.filter(({ id }) => next.compiled.classes.every((known) => known.id !== id));
  const classes = [...next.compiled.classes, ...added];
  const former = new FormerPrograms(before.compiled, next.compiled, classes);
  const oldPrograms = programsByPod(before);
  const programs: Program[] = [];
  const indexes = new Map<string, number>();
  const programOfPod = next.registry.pods.map(({ id }, i) => {
    const program = next.compiled.programs[next.compiled.programOfPod[i] ?? -1];
    const old = oldPrograms.get(id);
    const wasOpen = oldPrograms.has(id) && old === undefined;
    if (program === undefined || wasOpen) return -1;
    // Of the same rules only addresses may differ, and those of now serve: the grants are in the same sets.
    const either = old === undefined || old.id === program.id ? program : former.beside(program, old);
    const index = indexes.get(either.id) ?? programs.push(either) - 1;
    indexes.set(either.id, index);
    return index;
  });
  const answerRanges = [...new Set([...opened(before), ...opened(next)])];
  const { destinations } = former;
  return { ...next, compiled: { ...next.compiled, classes, destinations, programs, programOfPod, answerRanges } };
}

/** Programs of the state before, in the numbers of the next one. */
class FormerPrograms {
  readonly #before: CompiledPolicy;
  readonly #classes: ReadonlyMap<string, number>;
  readonly #destinations: Destination[];
  /** Of those in use: two of one key may not differ. */
  readonly #known: Map<string, number>;
  readonly #beside = new Map<string, Program>();

  constructor(before: CompiledPolicy, next: CompiledPolicy, classes: readonly PortClass[]) {
    this.#before = before;
    this.#classes = new Map(classes.map(({ id }, k) => [id, k]));
    this.#destinations = [...next.destinations];
    const used = new Set(next.programs.flatMap(placesOf));
    this.#known = new Map([...used].flatMap((k) => keyed(next.destinations[k], k)));
  }

  get destinations(): readonly Destination[] {
    return this.#destinations;
  }

  beside(program: Program, old: Program): Program {
    const id = `${program.id}_${old.id}`;
    const known = this.#beside.get(id);
    if (known !== undefined) return known;
    const segments = old.segments.map((segment) => this.#translated(segment));
    const classes = new Set([...program.classes, ...segments.flatMap((segment) => segment.classes)]);
    const former = { segments, otherwise: old.otherwise };
    const both = { ...program, id, classes: [...classes].toSorted((a, b) => a - b), former };
    this.#beside.set(id, both);
    return both;
  }

  #translated(segment: Segment): Segment {
    const placed = (rules: readonly StaticRule[]): StaticRule[] =>
      rules.map((rule) => (typeof rule.to === 'number' ? { ...rule, to: this.#placeOf(rule.to) } : rule));
    const { deny, pass, allow } = segment;
    const classes = segment.classes.flatMap((k) => this.#classes.get(this.#before.classes[k]?.id ?? '') ?? []);
    return { ...segment, deny: placed(deny), pass: placed(pass), allow: placed(allow), classes };
  }

  /** That of now, where it is the same; else one beside it, since a set of the kernel is named by the key. */
  #placeOf(index: number): number {
    const { key, cidrs } = this.#before.destinations[index] ?? { key: '', cidrs: [] };
    const isSame = (k: number | undefined): k is number =>
      k !== undefined && isDeepStrictEqual(this.#destinations[k]?.cidrs, cidrs);
    const own = this.#known.get(key);
    if (isSame(own)) return own;
    const formerKey = `${key} before`;
    const known = this.#known.get(formerKey) ?? this.#destinations.push({ key: formerKey, cidrs }) - 1;
    this.#known.set(formerKey, known);
    return known;
  }
}

function keyed(destination: Destination | undefined, k: number): [string, number][] {
  return destination === undefined ? [] : [[destination.key, k]];
}

/** Indexes of the destinations that it names. */
function placesOf({ segments }: Program): number[] {
  return segments.flatMap(({ deny, pass, allow }) =>
    [...deny, ...pass, ...allow].flatMap(({ to }) => (typeof to === 'number' ? [to] : [])),
  );
}

/**
 * Whether the rules of `before` serve while the data plane changes over: the same pods, and none that is told from now on of what they would refuse.
 * So it is where names come or go, and their classes stay: what lost its reason is gone from the kernel before any transaction of rules.
 */
export function areServed(before: State, next: State): boolean {
  const asks = ({ compiled }: State, program: Program): readonly (string | undefined)[] =>
    program.classes.map((k) => compiled.classes[k]?.id);
  const old = programsByPod(before);
  const programs = programsByPod(next);
  const open = new Set(opened(before));
  const served = new Map<string, boolean>();
  const isServed = (program: Program, former: Program): boolean => {
    const asked = new Set(asks(before, former));
    return (
      asks(next, program).every((each) => asked.has(each)) &&
      isDeepStrictEqual(rulesIn(program, next), rulesIn(former, before))
    );
  };
  return (
    old.size === programs.size &&
    opened(next).every((range) => open.has(range)) &&
    [...programs].every(([id, program]) => {
      const former = old.get(id);
      if (!old.has(id)) return false;
      if (program === undefined || former === undefined) return program === former;
      const key = `${program.id} ${former.id}`;
      const known = served.get(key) ?? isServed(program, former);
      served.set(key, known);
      return known;
    })
  );
}

/** What no lookup changes. */
function rulesIn({ segments, otherwise }: Program, { compiled }: State): unknown {
  const said = ({ to, traffic, isAudited }: StaticRule): unknown => {
    return { to: typeof to === 'number' ? compiled.destinations[to]?.cidrs : to, traffic, isAudited };
  };
  const lists = segments.map(({ tier, deny, pass, allow }) => [tier, deny.map(said), pass.map(said), allow.map(said)]);
  return [otherwise, lists];
}

/** Protected ranges that some rule opens. */
function opened({ compiled }: State): readonly string[] {
  return compiled.answerRanges ?? [];
}

/** For each pod of the state the program that judges it, undefined where no policy selects it. */
function programsByPod({ registry, compiled }: State): ReadonlyMap<number, Program | undefined> {
  return new Map(registry.pods.map(({ id }, i) => [id, compiled.programs[compiled.programOfPod[i] ?? -1]]));
}
