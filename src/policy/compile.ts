// Policies and pods → what the kernel and the data plane enforce. Pure; the same policies in any order give the same result.
import { createHash } from 'node:crypto';
import { assertNever } from '../base/errors.ts';
import type { Pod } from '../pods/pod.ts';
import type {
  CompiledPolicy,
  NameRule,
  PortClass,
  PortProtocol,
  Program,
  RuleRef,
  Segment,
  StaticRule,
} from './compiled.ts';
import { protectedIntervals } from './destinations.ts';
import type { EgressRule, Policy, PolicyRule, ReachRule } from './policy.ts';
import { compareText, portClass, takesPort } from './ports.ts';
import { selects } from './select.ts';
import { Destinations } from './static-rules.ts';

const PROGRAM_ID_DIGITS = 12;
const DNS_PORT = 53;

export interface CompileOptions {
  /** `pods` are all that there are. Else a selector of destinations opens nothing, and one that is denied denies every destination. */
  readonly knowsAllPods: boolean;
  /** CIDRs and addresses that no range opens that is not wholly inside one of them. */
  readonly protectedRanges: readonly string[];
}

const NOTHING_KNOWN: CompileOptions = { knowsAllPods: false, protectedRanges: [] };

export function compile(
  policies: readonly Policy[],
  pods: readonly Pod[],
  { knowsAllPods, protectedRanges }: CompileOptions = NOTHING_KNOWN,
): CompiledPolicy {
  const sorted = policies.toSorted(
    (a, b) => compareText(a.kind, b.kind) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name),
  );
  const used = new Set(
    sorted.flatMap(({ rules }) => rules).filter((rule) => pods.some((pod) => selects(rule.selector, pod))),
  );
  const classes = collectClasses(used);
  const destinations = new Destinations({ pods, knowsAllPods, protectedRanges: protectedIntervals(protectedRanges) });
  const { rules, lowered } = lowerRules(sorted, used, classes, destinations);

  const programs: Program[] = [];
  const programOfRules = new Map<string, number>(); // by the rules that select: finds a pod's program without hashing its names again
  const programOfId = new Map<string, number>();
  const programOfPod = pods.map((pod) => {
    const selecting = lowered.filter((each) => selects(each.rule.selector, pod));
    if (selecting.length === 0) return -1;
    const key = selecting.map((each) => each.index).join();
    const known = programOfRules.get(key);
    if (known !== undefined) return known;
    const program = link(selecting, { rules, classes, destinations: destinations.all });
    const index = programOfId.get(program.id) ?? programs.push(program) - 1;
    programOfRules.set(key, index);
    programOfId.set(program.id, index);
    return index;
  });
  const answerRanges = collectAnswerRanges(used);
  return {
    classes,
    destinations: destinations.all,
    rules,
    programs,
    programOfPod,
    ...(answerRanges.length === 0 ? {} : { answerRanges }),
  };
}

/** One rule of a policy, ready for any program that includes it. */
interface LoweredRule {
  readonly index: number;
  readonly rule: PolicyRule;
  readonly names: readonly NameRule[];
  readonly deny: readonly StaticRule[];
  readonly allow: readonly StaticRule[];
}

/** Every port set of every rule that selects a pod: each is two sets in the kernel, and policies for other nodes' pods must not cost this one. */
function collectClasses(used: ReadonlySet<PolicyRule>): PortClass[] {
  const classes = new Map<string, PortClass>();
  for (const rule of used) {
    for (const egress of rule.egress) {
      if (egress.kind !== 'connect') continue;
      const found = portClass(egress.ports);
      classes.set(found.id, found);
    }
  }
  return [...classes.values()].toSorted((a, b) => compareText(a.id, b.id));
}

function collectAnswerRanges(used: ReadonlySet<PolicyRule>): string[] {
  const opened = [...used].flatMap(({ egress }) => egress).flatMap(answerRangesOf);
  return [...new Set(opened)].toSorted(compareText);
}

function answerRangesOf(rule: EgressRule): readonly string[] {
  return (rule.kind === 'connect' ? rule.answerRanges : undefined) ?? [];
}

function lowerRules(
  policies: readonly Policy[],
  used: ReadonlySet<PolicyRule>,
  classes: readonly PortClass[],
  destinations: Destinations,
): { rules: RuleRef[]; lowered: LoweredRule[] } {
  const classIndex = new Map(classes.map(({ id }, index) => [id, index]));
  const rules: RuleRef[] = [];
  const lowered: LoweredRule[] = [];
  for (const { kind, namespace, name, rules: policyRules } of policies) {
    const refer = (at: string): number => rules.push({ kind, namespace, name, at }) - 1;
    let n = 0; // of the policy's egress rules, whatever is in them: what a set of the kernel is named by stays while addresses change
    for (const rule of policyRules) {
      const names: NameRule[] = [];
      const statics = { deny: [] as StaticRule[], allow: [] as StaticRule[] };
      for (const egress of rule.egress) {
        const key = `${kind}/${namespace}/${name}#${n++}`;
        if (egress.kind === 'reach') {
          const ref = refer(egress.at);
          if (used.has(rule)) statics[egress.verdict].push(...destinations.lower(egress, ref, key));
          continue;
        }
        const effect = effectOf(egress, classIndex);
        names.push(...egress.names.map(({ match, text, at }) => ({ match, text, ...effect, rule: refer(at) })));
      }
      lowered.push({ index: lowered.length, rule, names, ...statics });
    }
  }
  return { rules, lowered };
}

function effectOf(egress: Exclude<EgressRule, ReachRule>, classIndex: ReadonlyMap<string, number>) {
  switch (egress.kind) {
    case 'ask':
      return { askUdp: egress.overUdp, askTcp: egress.overTcp, classes: [] };
    case 'connect':
      // A name that may be connected to may be asked: without that the rule could never take effect.
      return {
        askUdp: true,
        askTcp: true,
        classes: [classIndex.get(portClass(egress.ports).id) ?? -1],
        ...(egress.answerRanges === undefined ? {} : { answerRanges: egress.answerRanges }),
      };
    default:
      return assertNever(egress);
  }
}

type Tables = Pick<CompiledPolicy, 'rules' | 'classes' | 'destinations'>;

function link(selecting: readonly LoweredRule[], tables: Tables): Program {
  const isClosed = selecting.some(({ rule }) => rule.isFinal === true);
  const deny = isClosed ? [] : selecting.flatMap((each) => each.deny);
  const allow = isClosed ? [] : selecting.flatMap((each) => each.allow);
  const names = isClosed
    ? []
    : askable(
        selecting.flatMap((each) => each.names),
        deny,
      );
  const classes = [...new Set(names.flatMap((name) => name.classes))].toSorted((a, b) => a - b);
  const segment = { deny, classes, allow };
  return { id: contentId(names, segment, tables), names, classes, segments: [segment] };
}

/** Whoever may reach port 53 of nobody may ask nobody: the queries that we take never come to the kernel's deny rules. */
function askable(names: readonly NameRule[], deny: readonly StaticRule[]): readonly NameRule[] {
  const everywhere = deny.filter(({ to }) => to === 'any');
  const isDenied = (protocol: PortProtocol): boolean =>
    everywhere.some(({ traffic }) => takesPort(traffic, protocol, DNS_PORT));
  const [overUdp, overTcp] = [!isDenied('udp'), !isDenied('tcp')];
  if (overUdp && overTcp) return names;
  return names.map((name) => ({ ...name, askUdp: name.askUdp && overUdp, askTcp: name.askTcp && overTcp }));
}

/**
 * Indexes and line numbers stay out of the hash: they move when another policy or a comment changes, and a chain that is renamed
 * is a chain that is rebuilt. So do the addresses of destinations, which sets have and chains have not. Owners stay in: two policies of equal
 * content must not be taken for each other in the audit.
 */
function contentId(names: readonly NameRule[], segment: Segment, { rules, classes, destinations }: Tables): string {
  const hash = createHash('sha256');
  const ownerOf = (index: number) => {
    const owner = rules[index];
    return [owner?.kind, owner?.namespace, owner?.name];
  };
  for (const { match, text, askUdp, askTcp, classes: opened, rule, answerRanges = [] } of names) {
    const opens = [...opened.map((index) => classes[index]?.id), ...answerRanges];
    hash.update(JSON.stringify([...ownerOf(rule), match, text, askUdp, askTcp, opens]));
  }
  for (const verdict of ['deny', 'allow'] as const) {
    for (const { to, traffic, rule } of segment[verdict]) {
      const place = typeof to === 'number' ? { key: destinations[to]?.key } : to;
      hash.update(JSON.stringify([...ownerOf(rule), verdict, place, traffic]));
    }
  }
  return hash.digest('hex').slice(0, PROGRAM_ID_DIGITS);
}
