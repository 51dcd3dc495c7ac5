// policyTypes: whether the policy is about egress, what of it means nothing, and what is not ours. Defaults are the API server's.
import type { Problem } from '../../../base/errors.ts';
import type { Entry, MapNode } from '../document.ts';
import { nearest, type FieldReader } from '../fields.ts';

const TYPES = ['Ingress', 'Egress'];

export interface Directions {
  /** Its pods lose their open egress. */
  readonly hasEgress: boolean;
  readonly notes: readonly Problem[];
}

/** What `spec` says of ingress is accepted and not judged. */
export function readDirections(spec: MapNode, reader: FieldReader): Directions {
  const types = spec.entries.get('policyTypes');
  const ingress = spec.entries.get('ingress');
  const egress = spec.entries.get('egress');
  if (ingress !== undefined) reader.list(ingress.value, 'ingress');
  const listed = types === undefined ? [] : readTypes(types, reader);
  const isDefault = types === undefined || (types.value.kind === 'list' && types.value.items.length === 0);
  if (isDefault && egress !== undefined && itemsOf(egress) === 0) {
    const message =
      'Add "policyTypes: [Egress]": without it an empty egress restricts nothing in Kubernetes; with it, it denies everything';
    reader.fail(egress.place, 'empty-list', message);
  }
  const hasEgress = isDefault ? egress !== undefined : listed.includes('Egress');
  const notes: Problem[] = [];
  if (isDefault || listed.includes('Ingress') || ingress !== undefined) {
    const { at } = (ingress ?? types ?? spec).place;
    const message = 'ingress is left to your CNI: namewall judges egress only';
    notes.push({ code: 'left-to-cni', at, message });
  }
  if (!hasEgress && egress !== undefined) {
    const message = 'egress has no effect, as in Kubernetes: policyTypes does not list Egress';
    notes.push({ code: 'no-effect', at: egress.place.at, message });
  }
  return { hasEgress, notes };
}

function readTypes({ place, value }: Entry, reader: FieldReader): readonly string[] {
  const list = reader.list(value, 'policyTypes');
  if (list === undefined) return [];
  if (list.items.length > TYPES.length) {
    reader.fail(place, 'bad-value', 'may not specify more than two policyTypes: write Ingress, Egress or both');
  }
  return list.items.flatMap((item) => {
    const text = reader.text(item, 'an item of policyTypes');
    if (text === undefined || TYPES.includes(text)) return text ?? [];
    const near = nearest(text, TYPES);
    const hint = near === undefined ? `write ${TYPES.join(' or ')}` : `did you mean "${near}"?`;
    return reader.fail(item.place, 'bad-value', `Cannot use policyTypes ${JSON.stringify(text)}: ${hint}`) ?? [];
  });
}

function itemsOf({ value }: Entry): number {
  return value.kind === 'list' ? value.items.length : 1;
}
