// Field selectors: `=`, `==` and `!=` over the fields that a resource makes selectable, and no others.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
import { fieldOf } from './object.ts';
import type { KubernetesObject } from './object.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status.ts';

export type FieldSelector = (object: KubernetesObject) => boolean;

/** Throws StatusError 400, for a field that the resource does not offer too. */
export function parseFieldSelector(text: string, resource: Resource): FieldSelector {
  const terms = text
    .split(',')
    .filter((term) => term !== '')
    .map((term) => parseTerm(term, resource));
  return (object) => terms.every((matches) => matches(object));
}

function parseTerm(term: string, { fields }: Resource): FieldSelector {
  const operator = ['!=', '==', '='].find((each) => term.split(each).length === 2);
  if (operator === undefined) throw badRequest(`invalid field selector: cannot read "${term}"`);
  const [field = '', value = ''] = term.split(operator);
  if (!fields.includes(field)) throw badRequest(`field label not supported: ${field}`);
  return (object) => (fieldOf(object, field) === value) === (operator !== '!=');
}
