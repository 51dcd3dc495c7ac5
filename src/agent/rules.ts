// State → the kernel's rules, and the rules between two states.
import type { RulesetInput } from '../kernel/ruleset.ts';
import type { Program } from '../policy/compiled.ts';
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
 * The rules while the data plane changes over: each pod's chain asks the sets of its old program and of its new one, so that what either
 * granted is open. That is safe, since the sets hold only what a name gave. A pod that was not selected is not yet: first its grants are made.
 */
export function between(before: State, next: State): State {
  const added = before.compiled.classes.filter(({ id }) => next.compiled.classes.every((known) => known.id !== id));
  const classes = [...next.compiled.classes, ...added];
  const oldPrograms = programsByPod(before);
  const programOfPod = next.registry.pods.map(({ id }, i) => {
    const wasOpen = oldPrograms.has(id) && oldPrograms.get(id) === undefined;
    return wasOpen ? -1 : (next.compiled.programOfPod[i] ?? -1);
  });
  const programs = next.compiled.programs.map((program, p): Program => {
    const old = next.registry.pods.flatMap(({ id }, i) => (programOfPod[i] === p ? (oldPrograms.get(id) ?? []) : []));
    const ids = new Set(old.flatMap((each) => normalClasses(each, before)));
    const kept = (asked: readonly number[]) =>
      classes.flatMap(({ id }, k) => (ids.has(id) || asked.includes(k) ? [k] : []));
    // In a tier of its own a class says what is denied before it (compiled.ts): of another one nobody could say where to ask it.
    const segments = program.segments.map((segment) =>
      segment.tier === 'normal' ? { ...segment, classes: kept(segment.classes) } : segment,
    );
    return { ...program, classes: kept(program.classes), segments };
  });
  const answerRanges = [...new Set([...opened(before), ...opened(next)])];
  return { ...next, compiled: { ...next.compiled, classes, programs, programOfPod, answerRanges } };
}

/** Ids of the classes that the program asks behind its deny rules, as every dialect without tiers does. */
function normalClasses({ segments }: Program, { compiled }: State): (string | undefined)[] {
  return segments.flatMap(({ tier, classes }) =>
    tier === 'normal' ? classes.map((k) => compiled.classes[k]?.id) : [],
  );
}

/**
 * Whether the rules of `before` serve while the data plane changes over: the same pods, and none whose chain would have to ask a set that it
 * does not ask. So it is where names come or go: what lost its reason is gone from the kernel before any transaction of rules.
 */
export function areServed(before: State, next: State): boolean {
  const asks = ({ compiled }: State, program: Program | undefined): readonly (string | undefined)[] =>
    (program?.classes ?? []).map((k) => compiled.classes[k]?.id);
  const old = programsByPod(before);
  const programs = programsByPod(next);
  const open = new Set(opened(before));
  return (
    old.size === programs.size &&
    opened(next).every((range) => open.has(range)) &&
    [...programs].every(([id, program]) => {
      const former = old.get(id);
      if (!old.has(id) || (program !== undefined && former === undefined)) return false;
      const asked = new Set(asks(before, former));
      return asks(next, program).every((each) => asked.has(each));
    })
  );
}

/** Protected ranges that some rule opens. */
function opened({ compiled }: State): readonly string[] {
  return compiled.answerRanges ?? [];
}

/** For each pod of the state the program that judges it, undefined where no policy selects it. */
function programsByPod({ registry, compiled }: State): ReadonlyMap<number, Program | undefined> {
  return new Map(registry.pods.map(({ id }, i) => [id, compiled.programs[compiled.programOfPod[i] ?? -1]]));
}
