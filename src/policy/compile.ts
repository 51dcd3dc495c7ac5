// Policies and pods → what the kernel and the data plane enforce. Pure; the same policies in any order give the same result.
import { createHash } from 'node:crypto';
import { assertNever } from '../base/errors.ts';
import type { Pod } from '../pods/pod.ts';
import type { CompiledPolicy, NameRule, PortClass, Program, RuleRef } from './compiled.ts';
import type { EgressRule, Policy, PolicyRule } from './policy.ts';
import { compareText, portClass } from './ports.ts';
import { selects } from './select.ts';

const PROGRAM_ID_DIGITS = 12;

export function compile(policies: readonly Policy[], pods: readonly Pod[]): CompiledPolicy {
  const sorted = policies.toSorted(
    (a, b) => compareText(a.kind, b.kind) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name),
  );
  const classes = collectClasses(sorted, pods);
  const { rules, lowered } = lowerRules(sorted, classes);

  const programs: Program[] = [];
  const programOfRules = new Map<string, number>(); // by the rules that select: finds a pod's program without hashing its names again
  const programOfId = new Map<string, number>();
  const programOfPod = pods.map((pod) => {
    const selecting = lowered.filter((each) => selects(each.rule.selector, pod));
    if (selecting.length === 0) return -1;
    const key = selecting.map((each) => each.index).join();
    const known = programOfRules.get(key);
    if (known !== undefined) return known;
    const program = link(selecting, rules, classes);
    const index = programOfId.get(program.id) ?? programs.push(program) - 1;
    programOfRules.set(key, index);
    programOfId.set(program.id, index);
    return index;
  });
  return { classes, destinations: [], rules, programs, programOfPod };
}

/** One rule of a policy with its names ready for any program that includes it. */
interface LoweredRule {
  readonly index: number;
  readonly rule: PolicyRule;
  readonly names: readonly NameRule[];
}

/** Every port set of every rule that selects a pod: each is two sets in the kernel, and policies for other nodes' pods must not cost this one. */
function collectClasses(policies: readonly Policy[], pods: readonly Pod[]): PortClass[] {
  const classes = new Map<string, PortClass>();
  for (const policy of policies) {
    for (const rule of policy.rules) {
      if (!pods.some((pod) => selects(rule.selector, pod))) continue;
      for (const egress of rule.egress) {
        if (egress.kind !== 'connect') continue;
        const found = portClass(egress.ports);
        classes.set(found.id, found);
      }
    }
  }
  return [...classes.values()].toSorted((a, b) => compareText(a.id, b.id));
}

function lowerRules(
  policies: readonly Policy[],
  classes: readonly PortClass[],
): { rules: RuleRef[]; lowered: LoweredRule[] } {
  const classIndex = new Map(classes.map(({ id }, index) => [id, index]));
  const rules: RuleRef[] = [];
  const lowered: LoweredRule[] = [];
  for (const { kind, namespace, name, rules: policyRules } of policies) {
    for (const rule of policyRules) {
      const names = rule.egress.flatMap((egress) => {
        const how = effectOf(egress, classIndex);
        return egress.names.map(({ match, text, at }) => {
          return { match, text, ...how, rule: rules.push({ kind, namespace, name, at }) - 1 };
        });
      });
      lowered.push({ index: lowered.length, rule, names });
    }
  }
  return { rules, lowered };
}

function effectOf(egress: EgressRule, classIndex: ReadonlyMap<string, number>) {
  switch (egress.kind) {
    case 'ask':
      return { askUdp: egress.overUdp, askTcp: egress.overTcp, classes: [] };
    case 'connect':
      // A name that may be connected to may be asked: without that the rule could never take effect.
      return { askUdp: true, askTcp: true, classes: [classIndex.get(portClass(egress.ports).id) ?? -1] };
    default:
      return assertNever(egress);
  }
}

function link(selecting: readonly LoweredRule[], rules: readonly RuleRef[], classes: readonly PortClass[]): Program {
  const isClosed = selecting.some(({ rule }) => rule.isFinal === true);
  const names = isClosed ? [] : selecting.flatMap((each) => each.names);
  const opened = new Set(names.flatMap((name) => name.classes));
  const asked = [...opened].toSorted((a, b) => a - b);
  const segments = [{ deny: [], classes: asked, allow: [] }];
  return { id: contentId(names, rules, classes), names, classes: asked, segments };
}

/**
 * Indexes and line numbers stay out of the hash: they move when another policy or a comment changes, and a chain that is renamed
 * is a chain that is rebuilt. Owners stay in: two policies of equal content must not be taken for each other in the audit.
 */
function contentId(names: readonly NameRule[], rules: readonly RuleRef[], classes: readonly PortClass[]): string {
  const hash = createHash('sha256');
  for (const name of names) {
    const owner = rules[name.rule];
    const opens = name.classes.map((index) => classes[index]?.id);
    hash.update(
      JSON.stringify([
        owner?.kind,
        owner?.namespace,
        owner?.name,
        name.match,
        name.text,
        name.askUdp,
        name.askTcp,
        opens,
      ]),
    );
  }
  return hash.digest('hex').slice(0, PROGRAM_ID_DIGITS);
}
