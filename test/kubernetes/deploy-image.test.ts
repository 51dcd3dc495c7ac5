// What deploy/Dockerfile puts into the image, beside what the code needs. It is not built here.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readTree, ROOT, withoutComments } from '../repo/tree.ts';
import { readDeployed } from './deploy-manifests.ts';

const dockerfile = readDeployed('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ');
const [, build = '', run = ''] = dockerfile.split(/^FROM .*$/m);
const installed = (stage: string): string[] =>
  /apt-get install --yes --no-install-recommends ([^&]+)&&/.exec(stage)?.[1]?.trim().split(/\s+/) ?? [];

/** Programs that the agent runs, and the Debian packages that bring them; '' for what every Debian image has. */
const PACKAGE_OF: Readonly<Record<string, string>> = { nft: 'nftables', ip: 'iproute2' };

/** The agent's own code: the demo runs on a host with root, not in the image. */
const sources = new Map([...readTree(['src'])].filter(([path]) => !path.startsWith('src/cli/demo')));

describe('the image', () => {
  test('has every program that the agent runs, and no other', () => {
    const code = [...sources.values()].map(withoutComments).join('\n');
    const spawned = [...code.matchAll(/\b(?:spawn|spawnSync|execFile)\('([^']+)'/g)].map(([, name = '']) => name);
    const ran = [...code.matchAll(/\brun\('([a-z]+)', \[/g)].map(([, name = '']) => name);
    const programs = [...new Set([...spawned, ...ran])];
    expect(programs.toSorted()).toEqual(Object.keys(PACKAGE_OF).toSorted());
    const packages = programs.flatMap((name) => PACKAGE_OF[name] || []);
    // libatomic1: the Node.js of the lock file is linked against it, and slim images lack it.
    expect(installed(run).toSorted()).toEqual([...packages, 'libatomic1'].toSorted());
  });

  test('both stages are of one Debian, which a release can pin', () => {
    expect(dockerfile.match(/^FROM .*$/gm)).toEqual(['FROM ${DEBIAN} AS build', 'FROM ${DEBIAN}']);
    expect(dockerfile).toMatch(/^ARG DEBIAN=debian:bookworm-slim$/m);
  });

  test('packages come from the lock file, and none runs a script', () => {
    expect(build.match(/\bnpm [a-z].*?(?=&&|$)/gm)?.map((line) => line.trim())).toEqual([
      'npm ci --ignore-scripts',
      'npm prune --omit=dev --ignore-scripts',
    ]);
  });

  test('nothing runs through a shell when it starts', () => {
    expect(run).toMatch(/^ENTRYPOINT \["node", "\/app\/src\/main\.js"\]$/m);
    expect(run).not.toMatch(/^CMD/m);
  });

  test('its version is that of the package', () => {
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { readonly version: string };
    expect(run).toMatch(new RegExp(`^ARG VERSION=${version.replaceAll('.', '\\.')}$`, 'm'));
  });

  test('the build is sent every file that it copies from outside', () => {
    const copied = [...build.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, words = '']) => words.split(' '));
    const sent = readDeployed('Dockerfile.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    expect(sent.toSorted()).toEqual(copied.toSorted());
  });
});
