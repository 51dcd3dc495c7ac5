// Label selectors, equality-based and set-based, refused where the real server refuses them.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
import { badRequest } from './status.ts';

export type LabelSelector = (labels: Readonly<Record<string, string>>) => boolean;

const REQUIREMENT =
  /^\s*(?<not>!?)\s*(?<key>[^\s!=<>(),]+)(?:\s*(?<operator>==?|!=|<|>)\s*(?<value>[^\s!=<>(),]*)|\s+(?<set>in|notin)\s*\((?<values>[^()]*)\))?\s*$/;
const KEY = /^(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Throws StatusError 400. The empty text selects everything. */
export function parseLabelSelector(text: string): LabelSelector {
  if (text.trim() === '') return () => true;
  const requirements = splitOutsideParentheses(text).map((each) => parseRequirement(each, text));
  return (labels) => requirements.every((matches) => matches(labels));
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}

function parseRequirement(text: string, whole: string): LabelSelector {
  const groups = REQUIREMENT.exec(text)?.groups;
  const refuse = (why: string) => badRequest(`unable to parse label selector "${whole}": ${why} in "${text}"`);
  if (groups === undefined) throw refuse('no requirement');
  const { not, key = '', operator = groups['set'] ?? 'exists', value, values } = groups;
  if (!KEY.test(key)) throw refuse(`"${key}" is no label key`);
  if (not === '!' && operator !== 'exists') throw refuse('"!" goes with a key alone');
  const wanted = value === undefined ? (values ?? '').split(',').map((each) => each.trim()) : [value];
  const wrong = wanted.find((each) => !VALUE.test(each));
  if (wrong !== undefined) throw refuse(`"${wrong}" is no label value`);
  switch (operator) {
    case 'exists':
      return (labels) => Object.hasOwn(labels, key) === (not === '');
    case '=':
    case '==':
    case 'in':
      return (labels) => Object.hasOwn(labels, key) && wanted.includes(labels[key] ?? '');
    case '!=':
    case 'notin':
      return (labels) => !Object.hasOwn(labels, key) || !wanted.includes(labels[key] ?? '');
    default:
      return parseComparison(key, operator, Number(value === '' ? Number.NaN : value), refuse);
  }
}

/** `<` and `>`: a label that is no integer matches neither. */
function parseComparison(key: string, operator: string, bound: number, refuse: (why: string) => Error): LabelSelector {
  if (!Number.isInteger(bound)) throw refuse(`"${operator}" wants an integer`);
  return (labels) => {
    const label = labels[key] ?? '';
    if (!/^[-+]?\d+$/.test(label)) return false;
    return operator === '>' ? Number(label) > bound : Number(label) < bound;
  };
}
