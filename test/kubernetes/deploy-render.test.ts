// What kubectl makes of deploy/, beside the golden files. UPDATE_GOLDEN=1 writes them; that needs kubectl, comparing does not.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  BASE,
  DEPLOY,
  hasKubectl,
  manifestsOf,
  OVERLAYS,
  parseManifests,
  render,
  type Manifest,
} from './deploy-manifests.ts';

const GOLDEN = fileURLToPath(new URL('../golden/deploy/', import.meta.url));
const FOLDERS = [BASE, ...OVERLAYS];
const fileOf = (folder: string): string => `${GOLDEN}${folder.split('/').at(-1)}.yaml`;

/** By name: versions of kustomize differ in the order and the layout of what they print. */
function byName(manifests: readonly Manifest[]): Map<string, Manifest> {
  return new Map(
    manifests.map((each) => [`${each.kind} ${each.metadata.namespace ?? ''}/${each.metadata.name}`, each]),
  );
}

const golden = (folder: string): Map<string, Manifest> => byName(parseManifests(readFileSync(fileOf(folder), 'utf8')));

if (hasKubectl) {
  test.each(FOLDERS)('deploy/%s renders as its golden file says', (folder) => {
    const rendered = render(`${DEPLOY}${folder}`);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(fileOf(folder), rendered);
    expect(byName(parseManifests(rendered))).toEqual(golden(folder));
  });
}

describe('without kubectl', () => {
  test.each([BASE, 'overlays/crds'])('the golden file of deploy/%s is what its files say', (folder) => {
    expect(golden(folder)).toEqual(byName(manifestsOf(folder)));
  });

  const DAEMON_SET = 'DaemonSet namewall-system/namewall';

  test('the cleanup changes the DaemonSet alone', () => {
    const others = (all: ReadonlyMap<string, Manifest>) => [...all].filter(([name]) => name !== DAEMON_SET);
    expect(others(golden('overlays/cleanup'))).toEqual(others(golden(BASE)));
  });

  test('the cleanup takes the rules away with the right to do that, then does nothing with no right at all', () => {
    const daemonSet = golden('overlays/cleanup').get(DAEMON_SET) ?? expect.fail(DAEMON_SET);
    const { template } = daemonSet['spec'] as { readonly template: { readonly spec: object } };
    const unprivileged = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true };
    expect(template.spec).toMatchObject({
      hostNetwork: true,
      initContainers: [
        {
          args: ['run', '--cleanup', '--config', '/etc/namewall/namewall.yaml'],
          securityContext: { ...unprivileged, capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } },
        },
      ],
      containers: [
        {
          command: ['sleep', 'infinity'],
          securityContext: { ...unprivileged, capabilities: { drop: ['ALL'] } },
        },
      ],
    });
    // A probe of an agent that is not there would hold the roll-out at its first node; arguments would go to sleep(1).
    const [container = {}] = (template.spec as { readonly containers: readonly object[] }).containers;
    expect(Object.keys(container).filter((key) => key.endsWith('Probe') || key === 'args')).toEqual([]);
    expect(JSON.stringify(container)).not.toContain('NET_');
  });
});
