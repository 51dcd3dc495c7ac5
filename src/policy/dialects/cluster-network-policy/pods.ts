// Pods of every namespace, by labels of their namespaces and their own: the subject of a policy, and peers.
import type { PodSelector } from '../../policy.ts';
import type { Entry, Node } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readLabelSelector } from '../kubernetes-selectors.ts';
import { readOneOf } from './values.ts';

const SUBJECT_FIELDS = {
  what: 'the subject',
  known: ['namespaces', 'pods'],
  foreign: new Map([
    ['podSelector', 'write pods: {podSelector: …}'],
    ['namespaceSelector', 'write namespaces, with the same selector'],
  ]),
};
const PODS_FIELDS = { what: 'pods', known: ['namespaceSelector', 'podSelector'] };

export function readSubject(node: Node, reader: FieldReader): PodSelector | undefined {
  const one = readOneOf(node, SUBJECT_FIELDS, reader);
  if (one === undefined) return undefined;
  return one.field === 'pods' ? readPods(one.entry, reader) : readNamespaces(one.entry, reader);
}

export function readNamespaces({ value }: Entry, reader: FieldReader): PodSelector | undefined {
  const requirements = readLabelSelector(value, 'namespaces', 'namespace-label', reader);
  return requirements && { requirements };
}

/** Without namespaceSelector, of every namespace. */
export function readPods({ value }: Entry, reader: FieldReader): PodSelector | undefined {
  const map = reader.map(value, PODS_FIELDS);
  if (map === undefined) return undefined;
  const namespaceSelector = map.entries.get('namespaceSelector');
  const podSelector = reader.required(map, 'podSelector', PODS_FIELDS.what, 'podSelector: {} for every pod');
  const namespaces =
    namespaceSelector === undefined
      ? []
      : readLabelSelector(namespaceSelector.value, 'namespaceSelector', 'namespace-label', reader);
  const pods = podSelector && readLabelSelector(podSelector.value, 'podSelector', 'label', reader);
  return namespaces && pods && { requirements: [...namespaces, ...pods] };
}
