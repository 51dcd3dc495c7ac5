// networking.k8s.io/v1 NetworkPolicy, egress.
import { takesNamedPort } from './cilium-traffic.ts';
import { isAudited, type NetworkPolicy, type NetworkPolicyEgress, type NetworkPolicyPeer } from './documents.ts';
import type { NetworkPolicyPort } from './documents.ts';
import type { NormalPolicy } from './normal.ts';
import { takesEverything, type Packet, type Place, type Rule } from './rule.ts';
import { selectsLabels, selectsNamespacedPod } from './select.ts';
import type { Pod, World } from './world.ts';

/** None, or one where it selects the pod for egress. */
export function networkPolicies(document: NetworkPolicy, world: World, pod: Pod): NormalPolicy[] {
  const { metadata, spec } = document;
  const { namespace = 'default' } = metadata;
  const isSelected = namespace === pod.namespace && selectsLabels(spec.podSelector, pod.labels);
  if (!isSelected || !isAboutEgress(spec)) return [];
  const allows = (spec.egress ?? []).map((entry) => ruleOf(entry, namespace, world));
  return [{ isAudited: isAudited(document), isolates: true, allows, denies: [] }];
}

/** Where types are listed, they decide: egress rules of a policy that is not about egress mean nothing. */
function isAboutEgress({ policyTypes = [], egress }: NetworkPolicy['spec']): boolean {
  return policyTypes.length === 0 ? egress !== undefined : policyTypes.includes('Egress');
}

function ruleOf({ to = [], ports = [] }: NetworkPolicyEgress, namespace: string, world: World): Rule {
  return {
    places: to.length === 0 ? [{ kind: 'any' }] : to.map((peer) => placeOf(peer, namespace, world)),
    takes: ports.length === 0 ? takesEverything : (packet) => ports.some((port) => takesPort(port, packet)),
  };
}

function placeOf({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer, own: string, world: World): Place {
  if (ipBlock !== undefined) return { kind: 'range', cidr: ipBlock.cidr, except: ipBlock.except ?? [] };
  return {
    kind: 'pods',
    selects: (pod) => {
      if (namespaceSelector === undefined) {
        return pod.namespace === own && selectsLabels(podSelector ?? {}, pod.labels);
      }
      return selectsNamespacedPod({ namespaceSelector, podSelector: podSelector ?? {} }, pod, world);
    },
  };
}

function takesPort({ protocol = 'TCP', port, endPort }: NetworkPolicyPort, packet: Packet): boolean {
  if (packet.protocol !== protocol.toLowerCase()) return false;
  if (port === undefined) return true;
  if (typeof port === 'string') return takesNamedPort(port, packet);
  return port <= packet.port && packet.port <= (endPort ?? port);
}
