// The reference matcher: what a rule means, written to be read, on labels as strings. Slow; the oracle that names.ts and the data plane
// are tested against. Never on the way of a packet.
import { assertNever } from '../base/errors.ts';
import type { CompiledPolicy, NameRule } from './compiled.ts';

/** What a program lets a pod do with one name, told as a denial of a policy that audits or not. `classes` are indexes into CompiledPolicy.classes, ascending. */
export interface NameVerdict {
  readonly mayAskUdp: boolean;
  readonly mayAskTcp: boolean;
  readonly classes: readonly number[];
}

/** `labels` of a name without the root: `['www', 'example', 'org']`, none for `.`. One character stands for one byte. */
export function decide(policy: CompiledPolicy, program: number, labels: readonly string[]): NameVerdict {
  const { names = [], unlisted = { udp: 'deny', tcp: 'deny' } } = policy.programs[program] ?? {};
  const rules = names.filter((rule) => ruleMatches(rule, labels));
  return {
    mayAskUdp: unlisted.udp !== 'deny' || rules.some((rule) => rule.askUdp),
    mayAskTcp: unlisted.tcp !== 'deny' || rules.some((rule) => rule.askTcp),
    classes: [...new Set(rules.flatMap((rule) => rule.classes))].toSorted((a, b) => a - b),
  };
}

export function ruleMatches(rule: Pick<NameRule, 'match' | 'text' | 'classes'>, labels: readonly string[]): boolean {
  const isBareWildcard = /^\*+\.?$/.test(rule.text) && rule.match === 'pattern';
  const isReadable = labels.every((label) => label.split('').every(isUnambiguous));
  if (!isReadable) return false;
  if (isBareWildcard && rule.classes.length === 0) return true;
  if (!labels.every((label) => label.split('').every(isHostCharacter))) return false;
  if (isBareWildcard) return true;

  const wanted = rule.text.toLowerCase().replace(/\.$/, '').split('.'); // validated: ASCII only
  const asked = labels.map((label) => label.toLowerCase());
  const isDeep = startsDeep(rule.match, wanted[0] ?? '');
  if (!isDeep) return labelsMatch(wanted, asked);
  const tail = wanted.slice(1);
  return asked.length > tail.length && labelsMatch(tail, asked.slice(asked.length - tail.length));
}

/** The labels of a name in wire form, as `decide` wants them. */
export function nameLabels(wire: Uint8Array): string[] {
  const labels: string[] = [];
  for (let at = 0; (wire[at] ?? 0) > 0; at += (wire[at] ?? 0) + 1) {
    labels.push(String.fromCharCode(...wire.subarray(at + 1, at + 1 + (wire[at] ?? 0))));
  }
  return labels;
}

/** Whether this first label stands for one label or more: `**` of a pattern, `*` of a domain name. */
function startsDeep(match: NameRule['match'], first: string): boolean {
  switch (match) {
    case 'name':
      return false;
    case 'pattern':
      return /^\*\*+$/.test(first);
    case 'domain':
      return first === '*';
    default:
      return assertNever(match);
  }
}

function labelsMatch(wanted: readonly string[], asked: readonly string[]): boolean {
  return wanted.length === asked.length && wanted.every((glob, i) => labelMatches(glob, asked[i] ?? ''));
}

/** Every length that what was read of the glob so far can cover; a star covers any more. */
function labelMatches(glob: string, label: string): boolean {
  let covered = new Set([0]);
  for (const character of glob) {
    const next = new Set<number>();
    for (const length of covered) {
      if (character === '*') for (let more = length; more <= label.length; more++) next.add(more);
      else if (label[length] === character) next.add(length + 1);
    }
    covered = next;
  }
  return covered.has(label.length);
}

function isHostCharacter(character: string): boolean {
  return /^[-a-zA-Z0-9_]$/.test(character);
}

function isUnambiguous(character: string): boolean {
  return character >= ' ' && character < '\u007f' && character !== '.' && character !== '\\';
}
