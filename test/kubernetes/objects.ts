// Objects for the tests of the stand-in: as little of each as it takes.
import type { KubernetesObject } from './api-server.ts';

interface PodParts {
  readonly namespace?: string;
  readonly nodeName?: string;
  readonly labels?: Record<string, string>;
  readonly uid?: string;
}

export function pod(
  name: string,
  { namespace = 'shop', nodeName = 'worker-1', labels, uid }: PodParts = {},
): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...(labels !== undefined && { labels }), ...(uid !== undefined && { uid }) },
    spec: { nodeName },
    status: { phase: 'Running' },
  };
}

export function node(name: string): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name } };
}

export function policy(name: string, namespace = 'shop'): KubernetesObject {
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name, namespace }, spec: {} };
}
