// What the reference judges → what the compiler takes: documents read as the command line reads them, and the world in the compiler's words.
import { expect } from 'vitest';
import type { Pod } from '../../src/pods/pod.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import type { Policy } from '../../src/policy/policy.ts';
import type { World } from '../../src/policy/world.ts';
import type { PolicyDocument } from './policy-reference/documents.ts';
import { namespaceLabels, type World as ReferenceWorld } from './policy-reference/world.ts';

const PROTOCOLS = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

/** Some combinations of what is drawn are refused. */
export function isAccepted(document: PolicyDocument): boolean {
  return readPolicies(JSON.stringify(document), 'f').ok;
}

export function policiesOf(document: PolicyDocument): readonly Policy[] {
  const read = readPolicies(JSON.stringify(document), 'f');
  return read.ok ? read.value : expect.fail(JSON.stringify([read.problems, document]));
}

export function worldOf(world: ReferenceWorld): World {
  const { everywhere, cluster, configured } = world.protectedRanges;
  const pods = world.pods.map((pod): Pod => {
    const ports = (pod.ports ?? []).map((port) => ({ ...port, protocol: PROTOCOLS[port.protocol] }));
    const uid = `${pod.namespace}/${pod.name}`;
    return { ...pod, uid, namespaceLabels: namespaceLabels(world, pod.namespace), ports };
  });
  return {
    pods,
    knowsAllPods: true,
    nodes: world.nodes,
    services: world.services.map((service) => ({ ...service, addresses: service.addresses ?? [] })),
    dnsServers: world.dnsServers,
    areDnsServersInside: false,
    dnsNamespaceLabels: namespaceLabels(world, 'kube-system'),
    protectedRanges: [...everywhere, ...cluster, ...configured],
  };
}
