// What is installed and how: package.json, the lock file, the closed list at the top.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ROOT } from './tree.ts';

interface Package {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}
type Lock = Readonly<Record<string, Package>>;

const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');
// `as`: files of ours, whose form npm checks.
const manifest = JSON.parse(read('package.json')) as Package;
const lock = (JSON.parse(read('package-lock.json')) as { packages: Lock }).packages;

const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;
const wanted = (of: Package): [string, string][] => KINDS.flatMap((kind) => Object.entries(of[kind] ?? {}));

function inexact(of: Package): string[] {
  return wanted(of).flatMap(([name, version]) =>
    /^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version) ? [] : [`${name} ${version}`],
  );
}

test('every version is exact', () => {
  expect(inexact(manifest)).toEqual([]);
  const loose = { dependencies: { a: '^1.2.3', b: '1.x', c: 'latest', d: 'https://example.org/d.tgz', e: '1.2.3' } };
  expect(inexact(loose)).toHaveLength(4);
});

/** What npm runs by itself when somebody installs this package, or one that depends on it. */
const BY_ITSELF = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare', 'prepublish'];

test('installing it runs nothing of its own', () => {
  const own = (of: Package): string[] => Object.keys(of.scripts ?? {}).filter((name) => BY_ITSELF.includes(name));
  expect(own(manifest)).toEqual([]);
  expect(own({ scripts: { postinstall: 'node x.js', test: 'vitest' } })).toEqual(['postinstall']);
});

/** Packages whose own install scripts are known, with what they do. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  'node_modules/koffi': 'looks whether its prebuilt binary fits, and builds one only where there is none',
};

test('installing runs no script of a dependency but the known ones', () => {
  const scripted = (all: Lock): string[] => Object.keys(all).filter((path) => all[path]?.hasInstallScript === true);
  expect(scripted(lock)).toEqual(Object.keys(INSTALL_SCRIPTS));
  expect(scripted({ 'node_modules/a': { hasInstallScript: true }, 'node_modules/b': {} })).toEqual(['node_modules/a']);
});

const REGISTRY = 'https://registry.npmjs.org/';

/** Without `resolved` a package comes from the registry that npm is set up with, and its integrity is checked. */
function outsiders(all: Lock): string[] {
  return Object.entries(all).flatMap(([path, { resolved = REGISTRY }]) =>
    resolved.startsWith(REGISTRY) ? [] : [`${path} ${resolved}`],
  );
}

test('the lock file points to no address but the registry', () => {
  expect(outsiders(lock)).toEqual([]);
  const all = {
    'node_modules/a': { resolved: 'http://mirror.example.org/a.tgz' },
    'node_modules/b': { resolved: 'git+ssh://git@example.org/b.git' },
    'node_modules/c': { resolved: 'https://registry.npmjs.org/c/-/c-1.0.0.tgz' },
    'node_modules/d': { resolved: 'https://registry.npmjs.org.example.org/d.tgz' },
  };
  expect(outsiders(all)).toHaveLength(3);
});

/** npm leaves the checksum out for platforms whose package it never saw; those are never installed from this lock alone. */
function unchecked(all: Lock): string[] {
  return Object.entries(all).flatMap(([path, { integrity, optional }]) =>
    path === '' || integrity !== undefined || optional === true ? [] : [path],
  );
}

test('the lock file has a checksum of every package that everybody installs', () => {
  expect(unchecked(lock)).toEqual([]);
  expect(unchecked({ '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { optional: true } })).toEqual([
    'node_modules/a',
  ]);
});

function mismatches(of: Package, all: Lock): string[] {
  return wanted(of).flatMap(([name, version]) => {
    const locked = all[`node_modules/${name}`]?.version;
    return locked === version ? [] : [`${name}: ${version} wanted, ${locked ?? 'nothing'} locked`];
  });
}

test('the lock file is that of package.json', () => {
  expect(mismatches(manifest, lock)).toEqual([]);
  for (const kind of KINDS) expect(lock['']?.[kind] ?? {}).toEqual(manifest[kind] ?? {});
  expect(lock['']?.version).toBe(manifest.version);
  expect(mismatches({ dependencies: { a: '1.0.0' } }, { 'node_modules/a': { version: '1.0.1' } })).toHaveLength(1);
});

/** Words of a script that are files of ours. */
function missingFiles(of: Package, exists: (path: string) => boolean): string[] {
  const words = [
    ...Object.values(of.scripts ?? {}).flatMap((script) => script.split(/\s+/)),
    ...Object.values(of.bin ?? {}),
  ];
  return words.filter((word) => /\.(?:ts|js|sh|json)$/.test(word) && !exists(word));
}

test('every file that a script names is there', () => {
  expect(missingFiles(manifest, (path) => existsSync(`${ROOT}${path}`))).toEqual([]);
  expect(missingFiles({ scripts: { build: 'tsc -p gone.json' }, bin: { x: 'src/x.ts' } }, () => false)).toEqual([
    'gone.json',
    'src/x.ts',
  ]);
});

const TOP = [
  'package.json',
  'tsconfig.json',
  'src',
  'policies',
  'deploy',
  'test',
  'README.md',
  'package-lock.json',
  'CHANGELOG.md',
  'LICENSE',
];
/** What work leaves behind, and git ignores. */
const ignored = read('.gitignore')
  .split('\n')
  .filter((line) => line !== '');

function strangers(names: readonly string[]): string[] {
  return names.filter((name) => {
    const isIgnored = ignored.some(
      (line) => line === `${name}/` || line === name || (line.startsWith('*') && name.endsWith(line.slice(1))),
    );
    return !isIgnored && !name.startsWith('.') && !TOP.includes(name);
  });
}

test('the top level is a closed list', () => {
  const top = readdirSync(ROOT);
  expect(strangers(top)).toEqual([]);
  expect(strangers(['docs', 'scripts', 'notes.md', 'src', '.ci', 'node_modules', 'npm.log'])).toEqual([
    'docs',
    'scripts',
    'notes.md',
  ]);
});

test('what is said of the repository in its files is there', () => {
  for (const path of [
    'package.json',
    'tsconfig.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'src/README.md',
    'test/README.md',
  ]) {
    expect([path, existsSync(`${ROOT}${path}`)]).toEqual([path, true]);
  }
});
