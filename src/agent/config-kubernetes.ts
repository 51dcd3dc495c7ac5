// The part of namewall.yaml that says which cluster, which node and which DNS Service: every key of `kubernetes`, its default and its check.
import { isDnsLabel, isDnsSubdomain } from '../policy/dialects/kubernetes-names.ts';
import { MAX_ZONES } from './config-dns.ts';
import type { Fields } from './config-fields.ts';
import { canonicalZone } from './config-values.ts';
import { resolve } from 'node:path';

export interface KubernetesConfig {
  readonly nodeName: string;
  /** Path; without it the service account of the pod that we run in. */
  readonly kubeconfig?: string;
  /** The Service whose addresses pods ask. */
  readonly dnsService: { readonly namespace: string; readonly name: string };
  /** Names below these are asked of that Service's endpoints, whatever `dns.upstreams` says. Canonical text. */
  readonly clusterZones: readonly string[];
  /** What becomes of packets from addresses of the pod ranges that no known pod has. */
  readonly unknownPods: 'deny' | 'allow';
  /** CIDRs of this node's pods; `node`: as its Node object says. */
  readonly podRanges: readonly string[] | 'node';
  /** The folder of the last good state; without it none is kept. */
  readonly stateFolder?: string;
}

export const KUBERNETES_KEYS = [
  'nodeName',
  'kubeconfig',
  'dnsService',
  'clusterZones',
  'unknownPods',
  'podRanges',
  'state',
];
const DEFAULT_DNS_SERVICE = 'kube-system/kube-dns';
const DEFAULT_CLUSTER_ZONES = ['cluster.local', 'in-addr.arpa', 'ip6.arpa'];

/** Paths are relative to `folder`; `env` has NODE_NAME where the downward API gives it. */
export function readKubernetes(fields: Fields, folder: string, env: NodeJS.ProcessEnv): KubernetesConfig {
  return {
    nodeName: readNodeName(fields, env['NODE_NAME'] ?? ''),
    ...(fields.has('kubeconfig') ? { kubeconfig: resolve(folder, fields.text('kubeconfig')) } : {}),
    dnsService: readDnsService(fields),
    clusterZones: readClusterZones(fields),
    unknownPods: fields.choice('unknownPods', ['deny', 'allow']),
    podRanges: fields.has('podRanges') ? fields.cidrs('podRanges') : 'node',
    ...(fields.has('state') ? { stateFolder: resolve(folder, fields.text('state')) } : {}),
  };
}

function readNodeName(fields: Fields, fallback: string): string {
  if (!fields.has('nodeName') && fallback === '') {
    const message = 'Add kubernetes.nodeName, or set NODE_NAME: whose pods are enforced has no other default';
    fields.problem('nodeName', 'missing-field', message);
    return '';
  }
  const name = fields.text('nodeName', fallback);
  // It goes into a field selector of the API.
  if (name !== '' && !isDnsSubdomain(name)) fields.wrongValue('nodeName', name, 'is not the name of a node');
  return name;
}

function readDnsService(fields: Fields): KubernetesConfig['dnsService'] {
  const text = fields.text('dnsService', DEFAULT_DNS_SERVICE);
  const [namespace = '', name = '', more] = text.split('/');
  if (text !== '' && (more !== undefined || !isDnsLabel(namespace) || !isDnsLabel(name))) {
    fields.wrongValue('dnsService', text, `is not NAMESPACE/NAME such as ${DEFAULT_DNS_SERVICE}`);
  }
  return { namespace, name };
}

function readClusterZones(fields: Fields): readonly string[] {
  if (!fields.has('clusterZones')) return DEFAULT_CLUSTER_ZONES;
  // Not `.`: what that is asked of, `dns.upstreams` says.
  const zones = fields.values('clusterZones', canonicalZone, 'is not a zone such as cluster.local');
  if (zones.length > MAX_ZONES) {
    fields.problem('clusterZones', 'bad-value', `Remove zones: ${zones.length} are listed, at most ${MAX_ZONES}`);
  }
  return [...new Set(zones)];
}
