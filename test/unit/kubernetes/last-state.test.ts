import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LastStateFile, type LastState } from '../../../src/kubernetes/last-state.ts';
import { keepNamespace, keepPod, keepPolicy, type PolicyObject } from '../../../src/kubernetes/objects.ts';
import { sourcesOf } from '../../../src/kubernetes/sources.ts';
import { eventually } from '../../support/eventually.ts';
import { readableLog, temporaryFolder } from '../../support/kubernetes-cluster.ts';
import { DNS_SERVICE, namespace, NODE, pod, policy } from '../../support/kubernetes-objects.ts';

const owner = { nodeName: NODE, dnsService: DNS_SERVICE };
const sources = sourcesOf(NODE, DNS_SERVICE);

function policyNamed(name: string): PolicyObject {
  const kept = keepPolicy('cilium.io/v2', 'CiliumNetworkPolicy')(policy(name, ['a.example.org']));
  if (kept === undefined) throw new Error('No policy');
  return kept;
}

function stateOf(...names: string[]): LastState {
  const pods = names.flatMap((name) => keepPod(pod(name)) ?? []);
  return {
    objects: {
      pods: pods.map((object) => ({ object, arrival: 0 })),
      namespaces: [keepNamespace(namespace('shop')) ?? []].flat(),
      nodes: [],
      services: [],
      slices: [],
      policies: [policyNamed('p')],
      clusterPolicies: [],
    },
    lastGood: [policyNamed('q')],
  };
}

function fileIn(folder: string, saveMs = 1) {
  const { log, lines } = readableLog();
  const file = new LastStateFile(folder, owner, { log, saveMs });
  onTestFinished(() => file.close());
  return { file, lines, path: join(folder, 'cluster.json') };
}

async function written(folder: string, state: LastState): Promise<string> {
  const { file, path } = fileIn(folder);
  file.save(state);
  await eventually(() => expect(existsSync(path)).toBe(true), 2000);
  return readFileSync(path, 'utf8');
}

test('what was saved is read back', async () => {
  const folder = join(temporaryFolder(), 'made', 'anew');
  await written(folder, stateOf('web'));
  expect(await fileIn(folder).file.read(sources)).toEqual(stateOf('web'));
});

test('only its owner can read it', async () => {
  const folder = temporaryFolder();
  await written(folder, stateOf('web'));
  expect(statSync(join(folder, 'cluster.json')).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['cluster.json']);
});

test('of many states only the newest is written, and at most one in that time', async () => {
  const folder = temporaryFolder();
  const { file, path } = fileIn(folder, 60);
  for (let i = 0; i < 100; i++) file.save(stateOf(`web-${i}`));
  await sleep(20);
  expect(existsSync(path)).toBe(false);
  await eventually(() => expect(existsSync(path)).toBe(true), 2000);
  expect(await file.read(sources)).toEqual(stateOf('web-99'));
});

test('what comes while it writes is written after', async () => {
  const folder = temporaryFolder();
  const { file } = fileIn(folder);
  for (let i = 0; i <= 20; i++) {
    file.save(stateOf(`web-${i}`));
    await sleep(1);
  }
  await eventually(async () => expect(await file.read(sources)).toEqual(stateOf('web-20')), 2000);
});

test('after close nothing is written', async () => {
  const folder = temporaryFolder();
  const { file, path } = fileIn(folder, 10);
  file.save(stateOf('web'));
  file.close();
  await sleep(40);
  expect(existsSync(path)).toBe(false);
});

test('a folder that cannot be written is said once, and tried again', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'file'), '');
  const { file, lines } = fileIn(join(folder, 'file'));
  for (let i = 0; i < 5; i++) {
    file.save(stateOf(`web-${i}`));
    await sleep(20);
  }
  expect(lines.map(({ msg }) => msg)).toEqual(['Cannot write the last state of the cluster']);
  rmSync(join(folder, 'file'));
  mkdirSync(join(folder, 'file'));
  file.save(stateOf('web'));
  await eventually(async () => expect(await file.read(sources)).toEqual(stateOf('web')), 2000);
});

describe('not used is', () => {
  test('a file that is not there, without a word', async () => {
    const { file, lines } = fileIn(temporaryFolder());
    expect(await file.read(sources)).toBeUndefined();
    expect(lines).toEqual([]);
  });

  test.each<[why: string, change: (text: string) => string]>([
    ['an empty file', () => ''],
    ['a file without a line break', (text) => text.replace('\n', ' ')],
    ['a file that is cut', (text) => text.slice(0, -10)],
    ['a file with another letter', (text) => text.replace('shop', 'shoq')],
    ['a file of another version', (text) => text.replace('"version":1', '"version":2')],
    ['a file of another node', (text) => text.replace(NODE, 'worker-2')],
    ['a file for another DNS Service', (text) => text.replace('"name":"kube-dns"', '"name":"coredns"')],
    ['bytes', () => '\u0000\ufffd'],
  ])('%s, and that is said', async (_why, change) => {
    const folder = temporaryFolder();
    const text = await written(folder, stateOf('web'));
    const { file, lines, path } = fileIn(folder);
    writeFileSync(path, change(text));
    expect(await file.read(sources)).toBeUndefined();
    expect(lines.map(({ msg }) => msg)).toEqual(['Cannot use the last state of the cluster: going without it']);
  });
});
