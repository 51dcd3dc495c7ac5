// Inputs with nothing in them but what a test is about.
import type { Inputs } from '../../../src/agent/inputs.ts';

export function inputs(some: Partial<Inputs> = {}): Inputs {
  return {
    pods: [],
    knowsAllPods: true,
    nodes: [],
    services: [],
    areDnsServersInside: false,
    podsAt: 'pods',
    policies: [],
    dnsServers: ['10.96.0.10'],
    zones: [],
    guardedRanges: [],
    protectedRanges: [],
    problems: [],
    ...some,
  };
}
