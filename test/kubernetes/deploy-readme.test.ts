// That deploy/README.md is about the files that are there. Its commands need a cluster and are not run.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf, commandsOf } from '../repo/blocks.ts';
import { ROOT } from '../repo/tree.ts';
import {
  BASE,
  DEPLOY,
  hasKubectl,
  manifestOf,
  manifestsOf,
  OVERLAYS,
  parseManifests,
  readDeployed,
  render,
} from './deploy-manifests.ts';

const README = readDeployed('README.md');
const blocks = blocksOf('deploy/README.md', README);
const commands = blocks.filter(({ language }) => language === 'sh').flatMap(commandsOf);
const OWN_FOLDER = 'my-cluster'; // the reader's

test('every file that it names is there', () => {
  const named = [...README.matchAll(/`((?:base|overlays|policies|src)\/[^`\s]*|Dockerfile|tsconfig[^`]*)`/g)];
  const paths = named.map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(8);
  expect(paths.filter((path) => !existsSync(`${DEPLOY}${path}`) && !existsSync(`${ROOT}${path}`))).toEqual([]);
});

test('every folder of deploy/ is described', () => {
  for (const folder of [BASE, ...OVERLAYS]) expect(README).toContain(`\`${folder}/\``);
});

test('its commands are for files that are there', () => {
  const files = commands.flatMap(({ line }) => [...line.matchAll(/ -[kf] (\S+)/g)].map(([, file = '']) => file));
  expect(files).toContain('deploy/overlays/crds');
  expect(files.filter((file) => file !== OWN_FOLDER && !existsSync(`${ROOT}${file}`))).toEqual([]);
});

test('its commands are for objects that are there', () => {
  const lines = commands.map(({ line }) => line).join('\n');
  const { name, namespace } = manifestOf(BASE, 'DaemonSet').metadata;
  expect(new Set(lines.match(/daemonset\/\S+/g))).toEqual(new Set([`daemonset/${name}`]));
  expect(new Set(lines.match(/-n \S+/g))).toEqual(new Set([`-n ${namespace}`]));
  const crds = manifestsOf('overlays/crds').map(({ metadata }) => metadata.name);
  expect(crds).toContain(/get crd (\S+)/.exec(lines)?.[1]);
});

test('the CRDs are created, not applied', () => {
  const lines = commands.map(({ line }) => line).filter((line) => line.includes('overlays/crds'));
  expect(lines).toEqual(['kubectl create -k deploy/overlays/crds']);
});

test('the table of privileges has every capability and every resource', () => {
  const [, table = ''] = README.split('## Privileges');
  const rendered = JSON.stringify(manifestOf(BASE, 'DaemonSet'));
  const capabilities = [...rendered.matchAll(/"(NET_[A-Z_]+)"/g)].map(([, name = '']) => name);
  expect(capabilities).toHaveLength(2);
  const rows = [...table.matchAll(/^\| `([A-Z_]+)` /gm)].map(([, name = '']) => name);
  expect(rows).toEqual(capabilities);
});

if (hasKubectl) {
  test.each([BASE, 'overlays/cleanup'])(
    "the reader's own folder over deploy/%s sets the image everywhere",
    (folder) => {
      const [block = expect.fail('a block')] = blocks.filter(({ language }) => language === 'yaml');
      const own = mkdtempSync(join(tmpdir(), 'namewall-own-'));
      try {
        const path = relative(own, `${DEPLOY}${folder}`);
        writeFileSync(join(own, 'kustomization.yaml'), block.text.replace('../namewall/deploy/base', path));
        const daemonSet = parseManifests(render(own)).find(({ kind }) => kind === 'DaemonSet');
        const images = [...JSON.stringify(daemonSet).matchAll(/"image":"([^"]+)"/g)].map(([, image]) => image);
        expect(new Set(images)).toEqual(new Set(['REGISTRY/namewall:0.1.0']));
      } finally {
        rmSync(own, { recursive: true });
      }
    },
  );
}
