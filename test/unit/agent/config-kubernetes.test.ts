import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig, type NodeConfig } from '../../../src/agent/config.ts';
import { parseAddress } from '../../../src/base/ip.ts';

let folder = '';
let file = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-config-kubernetes-'));
  file = join(folder, 'namewall.yaml');
});
afterAll(() => rmSync(folder, { recursive: true }));

const ENV = { NODE_NAME: 'worker-1' };

function read(text: string, env: NodeJS.ProcessEnv = ENV) {
  writeFileSync(file, text);
  return readConfig(file, env);
}

function accepted(text: string, env?: NodeJS.ProcessEnv): NodeConfig {
  const found = read(text, env);
  return found.ok && found.value.mode === 'node' ? found.value : expect.fail(JSON.stringify(found));
}

/** Problems as `LINE:COL code message`. */
function refused(text: string, env?: NodeJS.ProcessEnv): string[] {
  const found = read(text, env);
  if (found.ok) return expect.fail('it was accepted');
  return found.problems.map(({ at, code, message }) => `${at.slice(file.length + 1)} ${code} ${message}`);
}

test('the smallest: one key, and the name of the node from the environment', () => {
  expect(accepted('mode: node\n')).toMatchObject({
    kubernetes: {
      nodeName: 'worker-1',
      dnsService: { namespace: 'kube-system', name: 'kube-dns' },
      clusterZones: ['cluster.local', 'in-addr.arpa', 'ip6.arpa'],
      unknownPods: 'deny',
      podRanges: 'node',
    },
    dnsServers: 'cluster',
    upstreams: 'cluster',
    whenDown: 'closed',
    health: '/run/namewall/health.sock',
  });
  expect(accepted('mode: node\n').kubernetes).not.toHaveProperty('kubeconfig');
  expect(accepted('mode: node\n').kubernetes).not.toHaveProperty('stateFolder');
});

test('every key, none at its default', () => {
  const text = `mode: node
kubernetes:
  nodeName: worker-2.example.org
  kubeconfig: kube/config
  dnsService: dns/coredns
  clusterZones: [Cluster.Example., corp.example]
  unknownPods: allow
  podRanges: [10.244.1.0/24, "2001:db8:1::/64"]
  state: /var/lib/namewall
dns:
  servers: [10.96.0.10]
  upstreams: ["192.0.2.53:5353"]
health: off
`;
  expect(accepted(text)).toMatchObject({
    kubernetes: {
      nodeName: 'worker-2.example.org',
      kubeconfig: join(folder, 'kube/config'),
      dnsService: { namespace: 'dns', name: 'coredns' },
      clusterZones: ['cluster.example', 'corp.example'],
      unknownPods: 'allow',
      podRanges: ['10.244.1.0/24', '2001:db8:1::/64'],
      stateFolder: '/var/lib/namewall',
    },
    dnsServers: ['10.96.0.10'],
    upstreams: [{ address: parseAddress('192.0.2.53'), port: 5353 }],
    health: 'off',
  });
});

test('what is the default may be said', () => {
  expect(accepted('mode: node\ndns: {servers: cluster, upstreams: cluster}\n')).toEqual(accepted('mode: node\n'));
});

// `2:` is the line after the mode.
test.each([
  [
    'clients come from the API server',
    'clients: clients.yaml',
    '2:1 wrong-mode Remove clients: in mode node pods and policies come from the API server',
  ],
  ['so do policies', 'policies: [policies]', '2:1 wrong-mode Remove policies: in mode node pods and policies'],
  [
    'an unknown key',
    'kubernetes: {node: worker-1}',
    '2:14 unknown-field Unknown key "node": kubernetes has nodeName, kubeconfig, dnsService',
  ],
  [
    'a node name that would be another selector',
    'kubernetes: {nodeName: "a,spec.nodeName!=b"}',
    '2:24 bad-value kubernetes.nodeName: "a,spec.nodeName!=b" is not the name of a node',
  ],
  [
    'a Service without namespace',
    'kubernetes: {dnsService: kube-dns}',
    '2:26 bad-value kubernetes.dnsService: "kube-dns" is not NAMESPACE/NAME such as kube-system/kube-dns',
  ],
  [
    'a Service with too much',
    'kubernetes: {dnsService: a/b/c}',
    'kubernetes.dnsService: "a/b/c" is not NAMESPACE/NAME',
  ],
  ['a Service in capitals', 'kubernetes: {dnsService: a/B}', 'kubernetes.dnsService: "a/B" is not NAMESPACE/NAME'],
  [
    'the root as a zone of the cluster',
    'kubernetes: {clusterZones: ["."]}',
    '2:29 bad-value kubernetes.clusterZones: "." is not a zone such as cluster.local',
  ],
  [
    'more zones than the data plane takes',
    `kubernetes: {clusterZones: [${Array.from({ length: 16 }, (_, i) => `z${i}.example`).join(', ')}]}`,
    '2:14 bad-value Remove zones: 16 are listed, at most 15',
  ],
  ['unknownPods: another word', 'kubernetes: {unknownPods: reject}', 'it must be one of deny, allow'],
  [
    'a pod range that is none',
    'kubernetes: {podRanges: [10.244.1.0]}',
    '2:26 bad-value kubernetes.podRanges: "10.244.1.0" is not a CIDR such as 10.0.0.0/8',
  ],
  [
    'no pod range: remove the key',
    'kubernetes: {podRanges: []}',
    'kubernetes.podRanges is a list: it must not be empty',
  ],
  [
    'an upstream that pods ask us by',
    'dns: {servers: 10.96.0.10, upstreams: "10.96.0.10:53"}',
    '2:28 own-listener Remove 10.96.0.10 from dns.upstreams',
  ],
])('refused: %s', (_why, line, problem) => {
  expect(refused(`mode: node\n${line}\n`).join('\n')).toContain(problem);
});

test.each([
  ['nobody says it', {}],
  ['the environment says nothing', { NODE_NAME: '' }],
])('the name of the node is needed: %s', (_why, env) => {
  expect(refused('mode: node\nkubernetes: {unknownPods: allow}\n', env)).toEqual([
    '2:13 missing-field Add kubernetes.nodeName, or set NODE_NAME: whose pods are enforced has no other default',
  ]);
});

test('a name in the file stands before the one in the environment', () => {
  expect(accepted('mode: node\nkubernetes: {nodeName: worker-2}\n').kubernetes.nodeName).toBe('worker-2');
});
