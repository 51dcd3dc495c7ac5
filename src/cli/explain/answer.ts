// What `namewall explain` prints: the explanation with rules as people find them in their files.
import type { Pod } from '../../pods/pod.ts';
import type { CompiledPolicy, NameRule, Otherwise } from '../../policy/compiled.ts';
import type { Explanation, Mention } from '../../policy/explain.ts';
import { portsText } from '../../policy/ports.ts';
import type { AskedDestination } from './destination.ts';

export interface ShownRule {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** FILE:LINE:COL. */
  readonly at: string;
  readonly verdict: Mention['verdict'];
  readonly tier: Mention['tier'];
  /** The name or pattern, of a rule of names. */
  readonly selector?: string;
  readonly description?: string;
  /** It counts only for these of the addresses that the name may resolve to. */
  readonly onlyFor?: readonly string[];
}

/** The object of `-o json`. */
export interface Answer {
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly to: string;
  readonly verdict: Otherwise;
  readonly reason: string;
  readonly rule: ShownRule | null;
  /** Of a name; null for an address. */
  readonly ask: { readonly udp: Otherwise; readonly tcp: Otherwise; readonly rules: readonly Owner[] } | null;
  /** Names whose lookup opens it. */
  readonly lookUpFirst: readonly { readonly name: string; readonly rule: ShownRule }[];
  readonly conditions: readonly ShownRule[];
  readonly lost: readonly ShownRule[];
  /** What takes the pod its open egress. */
  readonly isolatedBy: readonly Owner[];
}

type Owner = Pick<ShownRule, 'kind' | 'namespace' | 'name' | 'at'>;

export interface Facts {
  readonly compiled: CompiledPolicy;
  readonly program: number;
  readonly pod: Pod;
  readonly to: AskedDestination;
  readonly explanation: Explanation;
  /** Of an address in a range that no name opens. */
  readonly closedBecause: string | undefined;
  /** It is the node itself. */
  readonly isHost: boolean;
  /** Of a pod that no policy selects: one of another namespace that is about such labels. */
  readonly elsewhere: string | undefined;
  /** The addresses of the DNS servers are known. */
  readonly hasServers: boolean;
}

const MOST_ADDRESSES = 8;
const MOST_LINES = 12;

export function answerOf(facts: Facts): Answer {
  const { compiled, program, pod, to, explanation } = facts;
  const { conditions, lost, ask } = explanation;
  const decisive = ruleOf(explanation);
  const overruled = explanation.decisive === undefined ? [] : [explanation.decisive];
  const shown = (mention: Mention): ShownRule => showRule(compiled, mention);
  const found = compiled.programs[program];
  return {
    pod: { namespace: pod.namespace, name: pod.name },
    to: to.text,
    verdict: explanation.verdict,
    reason: reasonOf(facts),
    rule: decisive === undefined ? null : shown(decisive),
    ask: ask === undefined ? null : { ...ask, rules: ask.rules.map((rule) => ownerOf(compiled, rule)) },
    lookUpFirst: lookupsOf(facts),
    conditions: conditions.map(shown),
    lost: [...(decisive === explanation.decisive ? [] : overruled), ...lost].map(shown),
    isolatedBy: (found?.isolatedBy ?? []).map((rule) => ownerOf(compiled, rule)),
  };
}

/** What decided, or what would have, if it did not only audit. */
function ruleOf({ verdict, decisive, told }: Explanation): Mention | undefined {
  return verdict === 'would-deny' ? (told[0] ?? decisive) : decisive;
}

/** Queries never leave for a DNS server that pods ask: namewall answers them. */
export function serverAnswer(
  compiled: CompiledPolicy,
  program: number,
  { pod, to, transport }: Pick<Facts, 'pod' | 'to'> & { readonly transport: 'udp' | 'tcp' },
): Answer {
  const { names = [], unlisted, isTold, isolatedBy = [] } = compiled.programs[program] ?? {};
  const asked = names.filter((rule) => (transport === 'udp' ? rule.askUdp : rule.askTcp));
  const rest = unlisted?.[transport] ?? 'deny';
  const listed = asked.length === 0 ? rest : isTold?.[transport] === true ? 'would-deny' : 'allow';
  const isEvery = rest !== 'deny' || asked.some(({ match, text }) => match === 'pattern' && /^\*+\.?$/.test(text));
  const texts = [...new Set(asked.map(({ text }) => text))];
  const some = texts.slice(0, MOST_ADDRESSES).join(', ');
  const which = texts.length > MOST_ADDRESSES ? `${some} and ${texts.length - MOST_ADDRESSES} more` : some;
  const may = isEvery
    ? 'every name may be asked'
    : texts.length === 0
      ? 'no name may be asked'
      : `${which} may be asked`;
  return {
    pod: { namespace: pod.namespace, name: pod.name },
    to: to.text,
    verdict: listed,
    reason: `namewall answers for this DNS server: ${may}`,
    rule: null,
    ask: null,
    lookUpFirst: [],
    conditions: [],
    lost: [],
    isolatedBy: isolatedBy.map((rule) => ownerOf(compiled, rule)),
  };
}

/** Of a name that is opened by being looked up, itself; of an address the names that would open it. */
function lookupsOf({ compiled, to, explanation: { decisive, lookups } }: Facts): Answer['lookUpFirst'] {
  if (to.name === undefined) {
    return lookups.flatMap((mention) =>
      mention.name === undefined ? [] : [{ name: mention.name.text, rule: showRule(compiled, mention) }],
    );
  }
  if (decisive?.name === undefined) return [];
  return [{ name: to.text.slice(0, to.text.lastIndexOf(':')), rule: showRule(compiled, decisive) }];
}

function reasonOf(facts: Facts): string {
  const { compiled, program, to, explanation, closedBecause, isHost, elsewhere, hasServers } = facts;
  const { decisive, ask, isProtected, lookups, otherPorts } = explanation;
  if (program < 0)
    return `no policy selects the pod: its egress is open${elsewhere === undefined ? '' : `; ${elsewhere}`}`;
  if (ask !== undefined && ask.udp === 'deny' && ask.tcp === 'deny' && decisive?.verdict !== 'deny') {
    const why = 'the name may not be asked, so nothing it resolves to is ever known';
    return hasServers
      ? why
      : `${why} (which addresses the DNS servers have is not said: rules of addresses for port 53 are not taken for DNS; write --server)`;
  }
  if (explanation.verdict === 'would-deny') return toldBy(facts);
  if (decisive !== undefined) return decidedBy(decisive);
  if (compiled.programs[program]?.otherwise === 'allow') return 'no rule mentions it, and nothing isolates the pod';
  const none = 'no rule allows it';
  const [other] = otherPorts;
  if (other !== undefined)
    return `${none}; ${other.text} opens ${portsText(other.classes.flatMap((k) => compiled.classes[k] ?? []))} only`;
  if (isHost)
    return `${none}: it is the node itself, which no address opens; a rule for host, for its node, or without a destination does`;
  if (isProtected && to.address !== undefined) {
    return `${none}: it lies in a range that neither names nor broad ranges open${closedBecause === undefined ? '' : ` (${closedBecause})`}`;
  }
  return lookups.length === 0 ? none : `${none} until one of its names is looked up and resolves to it`;
}

function toldBy({ compiled, program, explanation: { told, decisive } }: Facts): string {
  const [first] = told;
  const isolating = compiled.programs[program]?.auditedBy ?? [];
  if (first !== undefined && (decisive !== undefined || !isolating.includes(first.rule))) {
    return `${decidedBy({ ...first, verdict: 'deny' })}; it passes since that policy only audits`;
  }
  return 'no rule allows it; it passes since the policies that would deny it only audit';
}

function decidedBy({ verdict, name, tier }: Mention): string {
  const where = tier === 'normal' ? '' : ` in tier ${tier === 'admin' ? 'Admin' : 'Baseline'}`;
  if (name !== undefined) return `a rule${where} opens that port to what the name resolves to, from its lookup on`;
  return verdict === 'deny' ? `a rule${where} denies it` : `a rule${where} allows it`;
}

function showRule(compiled: CompiledPolicy, { rule, verdict, tier, name, onlyFor }: Mention): ShownRule {
  const description = compiled.rules[rule]?.description;
  return {
    ...ownerOf(compiled, rule),
    verdict,
    tier,
    ...(name === undefined ? {} : { selector: selectorOf(name) }),
    ...(description === undefined ? {} : { description }),
    ...(onlyFor === undefined || name !== undefined ? {} : { onlyFor }),
  };
}

function ownerOf(compiled: CompiledPolicy, index: number): Owner {
  const { kind = '', namespace = '', name = '', at = '' } = compiled.rules[index] ?? {};
  return { kind, namespace, name, at };
}

const FIELDS = { name: 'matchName', pattern: 'matchPattern', domain: 'domainNames' } as const;

function selectorOf({ match, text }: NameRule): string {
  return `${FIELDS[match]}: ${text}`;
}

const SAID = { allow: 'allowed', deny: 'denied', 'would-deny': 'would be denied' } as const;

export function renderAnswer(answer: Answer): string {
  const { pod, to, verdict, reason, rule, ask, conditions, lost, isolatedBy } = answer;
  const lines = [`${pod.namespace}/${pod.name} → ${to}: ${SAID[verdict]}: ${reason}`];
  const add = (head: string, texts: readonly string[]): void => {
    texts.slice(0, MOST_LINES).forEach((text, i) => lines.push(`  ${(i === 0 ? head : '').padEnd(9)}${text}`));
    if (texts.length > MOST_LINES) lines.push(`  ${' '.repeat(9)}and ${texts.length - MOST_LINES} more`);
  };
  add('by', rule === null ? [] : [ruleText(rule)]);
  add('asking', ask === null ? [] : [askText(ask)]);
  add('first', firstTexts(answer));
  add(
    'unless',
    conditions.map((each) => `it resolves into ${rangesText(each)}: ${effectOf(each)} by ${ruleText(each)}`),
  );
  add(
    'also',
    lost.map(
      (each) =>
        `${each.verdict}${each.onlyFor === undefined ? '' : ` of ${rangesText(each)}`}, behind that: ${ruleText(each)}`,
    ),
  );
  add('isolated', verdict !== 'deny' ? [] : isolatedBy.map((each) => `by ${ownerText(each)}`));
  return `${lines.join('\n')}\n`;
}

function firstTexts({ lookUpFirst, ask }: Answer): string[] {
  if (ask !== null) return lookUpFirst.map(({ name }) => `${name} must be looked up by this pod`);
  return lookUpFirst.map(({ name, rule: by }) => `a lookup of ${name}, if it resolves to it: ${ruleText(by)}`);
}

function askText({ udp, tcp, rules }: NonNullable<Answer['ask']>): string {
  const by = rules.length === 0 ? '' : ` by ${rules.map(ownerText).join(', ')}`;
  if (udp === tcp) return `${SAID[udp]}${by}`;
  const [open, closed] = udp === 'deny' ? [`TCP ${SAID[tcp]}`, 'UDP'] : [`UDP ${SAID[udp]}`, 'TCP'];
  return `${open}${by}; ${closed} ${SAID[closed === 'TCP' ? tcp : udp]}`;
}

const EFFECTS = { allow: 'allowed', deny: 'denied', pass: 'passed on to the next tier', 'would-deny': 'told' } as const;

function effectOf({ verdict }: ShownRule): string {
  return EFFECTS[verdict];
}

function rangesText({ onlyFor = [] }: ShownRule): string {
  const shown = onlyFor.slice(0, MOST_ADDRESSES).join(', ');
  return onlyFor.length > MOST_ADDRESSES ? `${shown} and ${onlyFor.length - MOST_ADDRESSES} more` : shown;
}

function ruleText(rule: ShownRule): string {
  const { selector, description } = rule;
  const said = description === undefined ? '' : ` (${JSON.stringify(description)})`;
  return `${ownerText(rule)}${selector === undefined ? '' : `: ${selector}`}${said}`;
}

function ownerText({ kind, namespace, name, at }: Owner): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}, ${at}`;
}
