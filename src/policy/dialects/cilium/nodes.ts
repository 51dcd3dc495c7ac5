// toNodes: nodes by their labels, by all of their addresses. The node itself is one of them.
import type { Peer } from '../../policy.ts';
import type { Entry } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readLabelSelector } from '../label-selectors.ts';
import { plainLabels } from './plain-labels.ts';

const readNodeLabel = plainLabels('nodes', ['k8s:', 'any:', 'node:']);

export function readNodes({ place, value }: Entry, reader: FieldReader): Peer[] {
  const items = reader.fullList(value, 'toNodes', 'it selects nothing; list at least one, or remove the rule') ?? [];
  if (!reader.knowsAllPods) {
    const message =
      'Cannot enforce toNodes: other nodes are not known in a cluster; write toCIDR with their addresses, or remove the rule';
    reader.fail(place, 'not-supported', message);
  }
  return items.flatMap((item) => {
    const parts = readLabelSelector(item, 'a toNodes selector', readNodeLabel, reader);
    return parts === undefined ? [] : [{ kind: 'nodes', requirements: parts.map(({ requirement }) => requirement) }];
  });
}
