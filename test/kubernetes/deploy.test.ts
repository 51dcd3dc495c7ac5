// What deploy/base gives the agent: enough, and nothing more. And that its files fit each other, the code and the image.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { readConfig, type NodeConfig } from '../../src/agent/config.ts';
import { SOURCES } from '../../src/kubernetes/sources.ts';
import { BASE, DEPLOY, filesOf, kustomizationOf, manifestOf, manifestsOf, OVERLAYS } from './deploy-manifests.ts';

interface Container {
  readonly image: string;
  readonly command?: readonly string[];
  readonly args: readonly string[];
  readonly ports?: unknown;
  readonly env: readonly unknown[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: { readonly requests: object; readonly limits: object };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly [probe: `${string}Probe`]: { readonly exec: { readonly command: readonly string[] } };
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly [source: string]: unknown }[];
  readonly [key: string]: unknown;
}

interface DaemonSetSpec {
  readonly selector: { readonly matchLabels: object };
  readonly updateStrategy: object;
  readonly template: { readonly metadata: { readonly labels: object }; readonly spec: PodSpec };
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

// `as`: files of ours, as their tests below describe them.
const daemonSet = manifestOf(BASE, 'DaemonSet')['spec'] as DaemonSetSpec;
const pod = daemonSet.template.spec;
const [agent = expect.fail('a container')] = pod.containers;
const [clusterRole, dnsRole] = ['ClusterRole', 'Role'].map((kind) => manifestOf(BASE, kind)) as [Manifest, Manifest];
const rulesOf = (role: Manifest): readonly Rule[] => role['rules'] as readonly Rule[];
type Manifest = ReturnType<typeof manifestOf>;

/** The ConfigMap, read as the agent would. */
function configuration(): NodeConfig {
  const folder = mkdtempSync(join(tmpdir(), 'namewall-deploy-'));
  try {
    const data = manifestOf(BASE, 'ConfigMap')['data'] as Readonly<Record<string, string>>;
    writeFileSync(join(folder, 'namewall.yaml'), data['namewall.yaml'] ?? expect.fail('namewall.yaml'));
    const config = readConfig(join(folder, 'namewall.yaml'), { NODE_NAME: 'worker-1' });
    if (!config.ok) return expect.fail(JSON.stringify(config.problems));
    return config.value.mode === 'node' ? config.value : expect.fail('mode node');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the kustomizations', () => {
  test.each([BASE, ...OVERLAYS])('deploy/%s lists every file beside it, and no other', (folder) => {
    const { resources, patches = [] } = kustomizationOf(folder);
    const listed = [...resources.filter((path) => !path.includes('/')), ...patches.map(({ path }) => path)];
    expect(listed.toSorted()).toEqual(filesOf(folder).toSorted());
  });

  test('the base changes nothing of what its files say', () => {
    expect(Object.keys(kustomizationOf(BASE)).toSorted()).toEqual(['apiVersion', 'kind', 'resources']);
  });

  test("the base has no CRD: on a cluster with Cilium it would replace Cilium's", () => {
    expect(manifestsOf(BASE).map(({ kind }) => kind)).not.toContain('CustomResourceDefinition');
    expect(manifestsOf('overlays/crds').map(({ kind }) => kind)).toEqual(Array(2).fill('CustomResourceDefinition'));
    expect(kustomizationOf('overlays/crds').resources.filter((path) => path.includes('/'))).toEqual([]);
  });

  test('everything that has a namespace names it, since no transformer will', () => {
    const without = ['Namespace', 'ClusterRole', 'ClusterRoleBinding'];
    const namespaces = manifestsOf(BASE)
      .filter(({ kind }) => !without.includes(kind))
      .map(({ kind, metadata }) => [kind, metadata.namespace]);
    expect(new Map(namespaces as [string, string][])).toEqual(
      new Map([
        ['ResourceQuota', 'namewall-system'],
        ['ServiceAccount', 'namewall-system'],
        ['Role', 'kube-system'],
        ['RoleBinding', 'kube-system'],
        ['ConfigMap', 'namewall-system'],
        ['DaemonSet', 'namewall-system'],
      ]),
    );
  });
});

describe('privileges', () => {
  test('the container is root with two capabilities and can get no more', () => {
    expect(agent.securityContext).toEqual({
      runAsUser: 0,
      runAsGroup: 0,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_BIND_SERVICE'] },
    });
    expect(pod['securityContext']).toEqual({ seccompProfile: { type: 'RuntimeDefault' } });
  });

  test("it shares the node's network, and no other namespace of the node", () => {
    expect(pod).toMatchObject({ hostNetwork: true, dnsPolicy: 'Default' });
    for (const key of ['hostPID', 'hostIPC', 'hostUsers']) expect(pod[key]).toBeUndefined();
  });

  test('no port is declared: it would be a port of the node', () => {
    expect(pod.containers).toHaveLength(1);
    expect(agent.ports).toBeUndefined();
  });

  test('of the node it sees one folder, for its state', () => {
    const paths = pod.volumes.flatMap((volume) => (volume['hostPath'] === undefined ? [] : [volume['hostPath']]));
    expect(paths).toEqual([{ path: configuration().kubernetes.stateFolder, type: 'DirectoryOrCreate' }]);
  });

  test('what it may write to is its state and its socket', () => {
    const writable = agent.volumeMounts.flatMap(({ mountPath, readOnly }) => (readOnly === true ? [] : [mountPath]));
    const { health, kubernetes } = configuration();
    expect(new Set(writable)).toEqual(new Set([dirname(health), kubernetes.stateFolder]));
  });

  test('its namespace admits it', () => {
    const labels = manifestOf(BASE, 'Namespace').metadata.labels ?? {};
    expect(labels['pod-security.kubernetes.io/enforce']).toBe('privileged');
  });
});

describe('RBAC', () => {
  const granted = (role: Manifest): string[] =>
    rulesOf(role).flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((each) => verbs.map((verb) => `${verb} ${each}.${group}`))),
    );
  const used = (isOfDnsService: boolean): string[] =>
    SOURCES.filter((source) => source.isOfDnsService === isOfDnsService).flatMap(({ group, resource, verbs }) =>
      verbs.map((verb) => `${verb} ${resource}.${group}`),
    );

  test('the ClusterRole grants what the code asks of the whole cluster, exactly', () => {
    expect(granted(clusterRole).toSorted()).toEqual(used(false).toSorted());
  });

  test('the Role grants what the code asks of the DNS Service, exactly', () => {
    expect(granted(dnsRole).toSorted()).toEqual(used(true).toSorted());
  });

  test('nothing can be written', () => {
    const verbs = [clusterRole, dnsRole].flatMap(rulesOf).flatMap((rule) => rule.verbs);
    expect(verbs.filter((verb) => !['get', 'list', 'watch'].includes(verb))).toEqual([]);
  });

  test('the Role is for the DNS Service of the configuration', () => {
    const { namespace, name } = configuration().kubernetes.dnsService;
    expect(dnsRole.metadata.namespace).toBe(namespace);
    expect(rulesOf(dnsRole).find(({ resources }) => resources.includes('services'))?.resourceNames).toEqual([name]);
  });

  test.each(['ClusterRoleBinding', 'RoleBinding'])('the %s binds its role to the service account', (kind) => {
    const binding = manifestOf(BASE, kind);
    const role = kind === 'RoleBinding' ? dnsRole : clusterRole;
    const { name, namespace } = manifestOf(BASE, 'ServiceAccount').metadata;
    expect(binding['subjects']).toEqual([{ kind: 'ServiceAccount', name, namespace }]);
    expect(binding['roleRef']).toMatchObject({ kind: role.kind, name: role.metadata.name });
    expect(binding.metadata.namespace).toBe(role.metadata.namespace);
  });

  test('only the agent gets the token', () => {
    expect(manifestOf(BASE, 'ServiceAccount')['automountServiceAccountToken']).toBe(false);
    expect(pod).toMatchObject({ automountServiceAccountToken: true, serviceAccountName: 'namewall' });
  });
});

describe('the DaemonSet', () => {
  test('selects its own pods', () => {
    expect(daemonSet.template.metadata.labels).toMatchObject(daemonSet.selector.matchLabels);
  });

  test('runs wherever pods run', () => {
    expect(pod).toMatchObject({
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ operator: 'Exists' }],
      priorityClassName: 'system-node-critical',
    });
  });

  test('has a priority class that the quota of its namespace names', () => {
    const { scopeSelector } = manifestOf(BASE, 'ResourceQuota')['spec'] as { readonly scopeSelector: object };
    const scope = { scopeName: 'PriorityClass', operator: 'In', values: [pod['priorityClassName']] };
    expect(scopeSelector).toEqual({ matchExpressions: [scope] });
  });

  test('never has two agents on a node, and replaces one node at a time', () => {
    const rollingUpdate = { maxSurge: 0, maxUnavailable: 1 };
    expect(daemonSet.updateStrategy).toEqual({ type: 'RollingUpdate', rollingUpdate });
  });

  test('limits memory, and never stops the agent for the rest of a CPU period', () => {
    expect(agent.resources).toEqual({ requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } });
  });

  test('tells the agent its node', () => {
    expect(agent.env).toEqual([{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }]);
  });

  test('starts the agent with the configuration, mounted as a folder so that it can change', () => {
    expect(agent.command).toBeUndefined();
    expect(agent.args).toEqual(['run', '--config', '/etc/namewall/namewall.yaml']);
    const config = { name: 'config', mountPath: '/etc/namewall', readOnly: true };
    expect(agent.volumeMounts).toContainEqual(config);
    const name = manifestOf(BASE, 'ConfigMap').metadata.name;
    expect(pod.volumes).toContainEqual({ name: 'config', configMap: { name } });
  });

  test.each([
    ['startupProbe', 'live'],
    ['livenessProbe', 'live'],
    ['readinessProbe', 'ready'],
  ] as const)('its %s asks "%s", by the entry point of the image', (probe, question) => {
    const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(`${DEPLOY}Dockerfile`, 'utf8'))?.[1] ?? '';
    const command = JSON.parse(entrypoint) as string[];
    expect(agent[probe]?.exec.command).toEqual([...command, 'probe', question]);
  });

  test('runs the image of this version', () => {
    expect(agent.image).toBe(`namewall:${packageJson.version}`);
  });
});

describe('the configuration', () => {
  test('is what README.md says of it', () => {
    expect(configuration()).toMatchObject({
      mode: 'node',
      kubernetes: { nodeName: 'worker-1', unknownPods: 'deny', podRanges: 'node', stateFolder: '/var/lib/namewall' },
      dnsServers: 'cluster',
      upstreams: 'cluster',
      whenDown: 'closed',
      audit: 'stdout',
    });
  });
});
