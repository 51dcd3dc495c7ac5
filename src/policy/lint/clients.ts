// Selectors that select nobody of those that there are.
import type { Problem } from '../../base/errors.ts';
import { selects } from '../select.ts';
import type { LintCode, LintWorld } from '../lint.ts';
import type { Peer, PolicyRule } from '../policy.ts';
import { DNS_POD, selectsNode, selectsService } from '../world.ts';

export function lintClients({ selector, at, egress }: PolicyRule, world: LintWorld): Problem[] {
  const isIdle = !world.pods.some((pod) => selects(selector, pod));
  const nobody = 'selects none of the clients: look at its labels and its namespace';
  return [
    ...(isIdle ? [problem(at, 'selects-nobody', nobody)] : []),
    ...egress.flatMap((rule) => {
      const idle = rule.kind === 'reach' ? rule.to.find((peer) => isNobody(peer, world)) : undefined;
      if (rule.kind !== 'reach' || idle === undefined) return [];
      return [
        problem(
          rule.at,
          'reaches-nobody',
          `a selector of ${WHO[idle.kind]} selects none of those that are listed: look at its labels`,
        ),
      ];
    }),
  ];
}

const WHO: Readonly<Record<Peer['kind'], string>> = {
  any: 'everybody',
  host: 'the node',
  cidr: 'addresses',
  pods: 'destinations',
  nodes: 'nodes',
  services: 'Services',
};

function isNobody(peer: Peer, { pods, nodes, services }: LintWorld): boolean {
  switch (peer.kind) {
    case 'pods':
      return ![...pods, DNS_POD].some((pod) => selects(peer.selector, pod));
    case 'nodes':
      return !(nodes ?? []).some((node) => selectsNode(peer.requirements, node));
    case 'services':
      return !(services ?? []).some((service) => selectsService(peer, service));
    default:
      return false;
  }
}

function problem(at: string, code: LintCode, message: string): Problem {
  return { at, code, message };
}
