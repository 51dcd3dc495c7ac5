import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PolicyFile } from '../../../../src/policy/dialects/read-policies.ts';
import { loadPolicies } from '../../../../src/policy/sources/files.ts';
import { ParsedFiles } from '../../../../src/policy/sources/parsed-files.ts';

const policiesFolder = fileURLToPath(new URL('../../../../policies', import.meta.url));
const policy = (name: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\nspec: {endpointSelector: {}, egress: [{}]}\n`;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function names(...paths: string[]): Promise<string[]> {
  const read = await loadPolicies(paths);
  return read.ok ? read.value.map(({ name }) => name) : read.problems.map(({ at, code }) => `${at} ${code}`);
}

const write = (name: string, text: string) => writeFile(join(folder, name), text);

test('every ready-made policy loads', async () => {
  const read = await loadPolicies([policiesFolder, join(policiesFolder, 'examples')]);
  expect(read.ok ? [] : read.problems).toEqual([]);
});

test('a folder: its yaml, yml and json files, sorted, without hidden ones and subfolders', async () => {
  await write('b.yaml', policy('b'));
  await write('a.yml', policy('a'));
  await write(
    'c.json',
    JSON.stringify({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'c' },
      spec: { endpointSelector: {}, egress: [{}] },
    }),
  );
  await write('.b.yaml', 'not: read');
  await write('notes.txt', 'not read');
  await mkdir(join(folder, 'sub.yaml'));
  await cp(join(folder, 'b.yaml'), join(folder, 'sub.yaml', 'd.yaml'));
  expect(await names(folder)).toEqual(['a', 'b', 'c']);
});

test('a ConfigMap volume: links to links', async () => {
  await mkdir(join(folder, '..2026_01'));
  await write('..2026_01/a.yaml', policy('a'));
  await symlink('..2026_01', join(folder, '..data'));
  await symlink('..data/a.yaml', join(folder, 'a.yaml'));
  expect(await names(folder)).toEqual(['a']);
});

test('globs, also in folders; a file that two paths name is read once', async () => {
  await mkdir(join(folder, 'x1'));
  await mkdir(join(folder, 'x2'));
  await write('x1/a.yaml', policy('a'));
  await write('x2/b.yaml', policy('b'));
  await write('x2/c.txt', 'not matched');
  await write('xfile', 'not a folder');
  expect(await names(join(folder, 'x*', '*.yaml'), join(folder, 'x1'), `${folder}/x1/./a.yaml`)).toEqual(['a', 'b']);
  expect(await names(join(folder, 'x{1,2}', '[a-b].yaml'))).toEqual(['a', 'b']);
});

describe('groups of CIDRs', () => {
  const group = (cidr: string) =>
    `apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: partners}\nspec: {externalCIDRs: [${cidr}]}\n`;
  const user = policy('a').replace('{}]', '{toCIDRSet: [{cidrGroupRef: partners}]}]');
  const reached = async (parsed?: ParsedFiles<PolicyFile>): Promise<string> => {
    const read = await loadPolicies([folder], parsed);
    if (!read.ok) return read.problems.map(({ at, code }) => `${at.slice(folder.length)} ${code}`).join();
    const rules = read.value.flatMap((each) => each.rules.flatMap(({ egress }) => egress));
    return rules
      .flatMap((rule) => (rule.kind === 'reach' ? rule.to : []))
      .flatMap((to) => ('cidr' in to ? to.cidr : []))
      .join();
  };

  test('stand in any file', async () => {
    await write('a.yaml', user);
    await write('z.yaml', group('192.0.2.0/24'));
    expect(await reached()).toBe('192.0.2.0/24');
  });

  test('change, come and go, although who names them is read once', async () => {
    const parsed = new ParsedFiles<PolicyFile>();
    await write('a.yaml', user);
    await write('z.yaml', group('192.0.2.0/24'));
    expect(await reached(parsed)).toBe('192.0.2.0/24');
    await write('z.yaml', group('198.51.100.0/24'));
    expect(await reached(parsed)).toBe('198.51.100.0/24');
    await rm(join(folder, 'z.yaml'));
    expect(await reached(parsed)).toBe('/a.yaml:4:67 unknown-group');
  });

  test('are not missed where another file is broken: it may have them', async () => {
    await write('a.yaml', user);
    await write('z.yaml', group('192.0.2.0'));
    expect(await reached()).toBe('/z.yaml:4:24 bad-cidr');
  });

  test('stand once', async () => {
    await write('a.yaml', group('192.0.2.0/24'));
    await write('b.yaml', group('198.51.100.0/24'));
    expect(await reached()).toBe('/b.yaml:1:1 duplicate-group');
  });

  test('the policy that names them stands once, too', async () => {
    await write('a.yaml', `${user}---\n${user}---\n${group('192.0.2.0/24')}`);
    expect(await reached()).toBe('/a.yaml:6:1 duplicate-policy');
  });
});

describe('problems', () => {
  test('paths that lead nowhere', async () => {
    await mkdir(join(folder, 'empty'));
    await symlink('nowhere', join(folder, 'dangling.yaml'));
    await symlink('circle', join(folder, 'circle'));
    const paths = ['missing.yaml', 'empty', 'dangling.yaml', 'circle', '*.nothing', 'no/*.yaml', '**/*.yaml'];
    expect(await names(...paths.map((path) => join(folder, path)))).toEqual([
      `${folder}/missing.yaml:1:1 bad-path`,
      `${folder}/empty:1:1 empty-folder`,
      `${folder}/dangling.yaml:1:1 bad-path`,
      `${folder}/circle:1:1 bad-path`,
      `${folder}/*.nothing:1:1 bad-path`,
      `${folder}/no/*.yaml:1:1 bad-path`,
      `${folder}/**/*.yaml:1:1 bad-path`,
    ]);
    expect(await names('/dev/null')).toEqual(['/dev/null:1:1 bad-path']);
  });

  test('a dangling link in a folder is not skipped', async () => {
    await write('a.yaml', policy('a'));
    await symlink('nowhere', join(folder, 'b.yaml'));
    expect(await names(folder)).toEqual([`${folder}/b.yaml:1:1 bad-path`]);
  });

  test('text that is not UTF-8', async () => {
    await writeFile(join(folder, 'a.yaml'), Uint8Array.from([0x61, 0xff]));
    expect(await names(folder)).toEqual([`${folder}/a.yaml:1:1 bad-path`]);
  });

  test('one bad file rejects the set, and every file is reported', async () => {
    await write('a.yaml', policy('a'));
    await write('b.yaml', 'kind: 1\n');
    await write('c.yaml', '');
    expect(await names(folder)).toEqual([
      `${folder}/b.yaml:1:1 missing-field`,
      `${folder}/b.yaml:1:7 wrong-type`,
      `${folder}/c.yaml:1:1 empty-file`,
    ]);
  });

  test('the same policy twice is refused at the second', async () => {
    await write('a.yaml', policy('a'));
    await write('b.yaml', `${policy('b')}---\n${policy('a')}`);
    const read = await loadPolicies([folder]);
    expect(read).toEqual({
      ok: false,
      problems: [
        {
          code: 'duplicate-policy',
          at: `${folder}/b.yaml:6:1`,
          message: `Rename or remove CiliumNetworkPolicy "a" in namespace "default": it stands already at ${folder}/a.yaml:1:1`,
        },
      ],
    });
  });
});
