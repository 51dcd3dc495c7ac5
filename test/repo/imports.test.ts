// Who may know whom (layout.md §2, Boundaries). A rule that a file must break stands in DEVIATIONS with its reason.
import { describe, expect, test } from 'vitest';
import { importsOf, readTree, treeOf, type Tree } from './tree.ts';

interface Folder {
  /** Files and folders of src that may be imported besides the folder itself; a folder ends in `/`. */
  readonly ours: readonly string[];
  /** Packages, and `node:` for what Node.js brings. */
  readonly packages: readonly string[];
  /** A part of the folder itself that the rest of it may not know. */
  readonly never?: string;
}

/** The first entry whose folder holds the file decides. */
const ALLOWED: readonly (readonly [string, Folder])[] = [
  ['base/', { ours: [], packages: ['node:', 'pino'] }],
  ['dns/', { ours: ['base/'], packages: [] }],
  ['policy/sources/', { ours: ['base/', 'policy/'], packages: ['node:', 'minimatch'] }],
  [
    'policy/',
    {
      ours: ['base/', 'dns/name.ts', 'dns/codes.ts', 'pods/pod.ts'],
      packages: ['node:crypto', 'node:url', 'node:util', 'yaml'],
      never: 'policy/sources/',
    },
  ],
  ['pods/', { ours: ['base/'], packages: ['node:'] }],
  [
    'kubernetes/',
    { ours: ['base/', 'pods/', 'policy/', 'sys/sys.ts'], packages: ['node:', '@kubernetes/client-node'] },
  ],
  ['sys/', { ours: ['base/'], packages: ['node:', 'koffi'] }],
  ['kernel/', { ours: ['base/', 'sys/', 'policy/compiled.ts'], packages: ['node:'] }],
  ['bridge/', { ours: ['base/', 'policy/compiled.ts', 'datapath/settings.ts'], packages: [] }],
  [
    'datapath/',
    {
      ours: ['base/', 'dns/', 'bridge/', 'sys/', 'kernel/set-writer.ts', 'policy/compiled.ts'],
      packages: ['lru-cache', 'node:worker_threads'],
    },
  ],
  [
    'audit/',
    {
      ours: ['base/', 'bridge/', 'dns/name.ts', 'dns/codes.ts', 'pods/pod.ts', 'policy/compiled.ts', 'policy/ports.ts'],
      packages: ['node:'],
    },
  ],
  [
    'agent/',
    {
      ours: [
        'base/',
        'bridge/',
        'sys/',
        'kernel/',
        'kubernetes/',
        'pods/',
        'policy/',
        'audit/',
        'datapath/settings.ts',
        'datapath/worker.ts',
        'datapath/committer.ts',
      ],
      packages: ['node:'],
    },
  ],
  [
    'cli/demo',
    { ours: ['base/', 'cli/', 'main.ts'], packages: ['node:', 'dns-packet', 'yaml'] }, // it runs the agent as a process
  ],
  ['cli/', { ours: ['base/', 'dns/', 'policy/', 'pods/', 'agent/', 'kernel/', 'sys/'], packages: ['node:'] }],
  ['main.ts', { ours: ['cli/'], packages: [] }],
];

/** `FILE → IMPORT` beyond ALLOWED. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'policy/lint/names.ts → tldts': 'whose names a pattern may match: the public suffixes, for what operators wrote',
  'main.ts → package.json': 'the version that it prints is written down once',
  'datapath/state/programs.ts → policy/names.ts': 'one name matcher for the hot path, the command line and the tests',
  'datapath/state/programs.ts → policy/name-table.ts': 'that matcher, for all rules of a program at once',
  'datapath/state/programs.ts → policy/name-ends.ts': 'its keys are of the secret seed of the data plane',
  'datapath/committer.ts → kernel/netlink-socket.ts': 'the thread of that socket',
  'datapath/state/answer-ranges.ts → kernel/protected.ts': 'one list of ranges for the ruleset and for the answers',
  'datapath/settings.ts → kernel/protected.ts': 'the type of what the configuration adds to that list',
  'policy/dialects/answer-ranges.ts → kernel/opened-ranges.ts':
    'a range that nothing opens is refused with its place, by that one list',
  'policy/sources/kubernetes.ts → kubernetes/objects.ts': 'the shape of the objects: types alone',
  'pods/sources/file.ts → policy/dialects/document.ts': 'one strict YAML reader with places',
  'pods/sources/file/entries.ts → policy/dialects/document.ts': 'the same',
  'pods/sources/file/entries.ts → policy/dialects/fields.ts': 'the same',
  'pods/sources/file/entries.ts → policy/dialects/kubernetes-names.ts': 'labels of clients are what policies select',
  'pods/sources/file/client.ts → policy/dialects/document.ts': 'the same reader',
  'pods/sources/file/client.ts → policy/dialects/kubernetes-names.ts': 'names of clients are what policies select',
  'pods/sources/file/client.ts → policy/dialects/port-fields.ts': 'names of their ports, too',
  'pods/sources/file/surroundings.ts → policy/dialects/document.ts': 'the same reader',
  'pods/sources/file/surroundings.ts → policy/dialects/kubernetes-names.ts': 'names that policies have',
  'pods/sources/file/surroundings.ts → policy/dialects/kubernetes-selectors.ts': 'the label that is a name',
  'pods/sources/file.ts → policy/sources/files.ts': 'reads a file with its problems as values',
  'pods/sources/file.ts → policy/sources/parsed-files.ts': 'and remembers what the same text meant',
  'pods/sources/kubernetes.ts → kubernetes/objects.ts': 'the shape of the objects: types alone',
};

/** The stages of a query (design §1): each is called by CALLERS and by nothing else. */
const STAGES = ['receive', 'identify', 'match', 'cache', 'forward', 'extract', 'admit', 'reply', 'audit'];
/** Those that call stages, open them or read their types. */
const CALLERS: Readonly<Record<string, string>> = {
  serve: 'the state machine of a slot',
  pursue: 'its state Upstream',
  conclude: 'its end',
  'from-clients': 'its begin',
  dig: 'the same, of what an operator asks in the name of a pod',
  loop: 'the events',
  plane: 'holds the one AuditDetail that the stage fills in',
};

const inSrc = (path: string): string => path.replace(/^src\//, '');
const isUnder = (path: string, place: string): boolean =>
  place.endsWith('/') ? path.startsWith(place) : path === place;
const isPackageAllowed = (name: string, allowed: readonly string[]): boolean =>
  allowed.some((each) => (each === 'node:' ? name.startsWith(each) : name === each));

function edgesOf(tree: Tree): [from: string, to: string][] {
  return [...tree].flatMap(([path, text]) =>
    importsOf(path, text).map((to): [string, string] => [inSrc(path), inSrc(to)]),
  );
}

function boundaryProblems(tree: Tree, deviations: Readonly<Record<string, string>> = DEVIATIONS): string[] {
  return edgesOf(tree).flatMap(([from, to]) => {
    const folder = ALLOWED.find(([place]) => from.startsWith(place));
    if (folder === undefined) return [`${from}: its folder has no rule in ALLOWED`];
    const [place, { ours, packages, never = 'none' }] = folder;
    const isNear = to.startsWith(place) && !to.startsWith(never);
    const isAllowed = to.endsWith('.ts')
      ? isNear || ours.some((each) => isUnder(to, each))
      : isPackageAllowed(to, packages);
    return isAllowed || Object.hasOwn(deviations, `${from} → ${to}`) ? [] : [`${from} → ${to}`];
  });
}

function stageProblems(tree: Tree): string[] {
  return edgesOf(tree).flatMap(([from, to]) => {
    const source = /^datapath\/([a-z-]+)\.ts$/.exec(from)?.[1];
    const target = /^datapath\/([a-z-]+)\.ts$/.exec(to)?.[1];
    if (source === undefined || target === undefined || !STAGES.includes(target)) return [];
    return Object.hasOwn(CALLERS, source) ? [] : [`${from} → ${to}`];
  });
}

function exclusivityProblems(tree: Tree): string[] {
  const only = { koffi: 'sys/', '@kubernetes/client-node': 'kubernetes/client.ts', 'dns-packet': 'cli/demo' };
  return edgesOf(tree).flatMap(([from, to]) =>
    Object.entries(only).flatMap(([name, place]) => (to === name && !from.includes(place) ? [`${from} → ${to}`] : [])),
  );
}

const src = readTree(['src']);

describe('the repository', () => {
  test('a folder imports only what its rule allows', () => {
    expect(boundaryProblems(src)).toEqual([]);
  });

  test('no stage of the data plane is imported but by those that call stages', () => {
    expect(stageProblems(src)).toEqual([]);
  });

  test('every stage exists', () => {
    for (const stage of STAGES) expect([...src.keys()]).toContain(`src/datapath/${stage}.ts`);
  });

  test('koffi is imported in sys/ only, dns-packet in the demo only, client-node in one file only', () => {
    expect(exclusivityProblems(src)).toEqual([]);
  });

  test('every deviation is still needed', () => {
    const edges = new Set(edgesOf(src).map(([from, to]) => `${from} → ${to}`));
    const needed = Object.keys(DEVIATIONS).filter((each) => edges.has(each));
    expect(Object.keys(DEVIATIONS)).toEqual(needed);
  });

  test('files of ours are imported by their real name', () => {
    const missing = edgesOf(src).filter(([, to]) => to.endsWith('.ts') && !src.has(`src/${to}`));
    expect(missing).toEqual([]);
  });
});

describe('the rules see', () => {
  test.each([
    ['dns that knows policy', { 'src/dns/name.ts': "import { x } from '../policy/names.ts';" }],
    ['a data plane that knows the agent', { 'src/datapath/loop.ts': "import { x } from '../agent/config.ts';" }],
    ['a type counts, too', { 'src/datapath/loop.ts': "import type { X } from '../audit/event.ts';" }],
    ['an import over several lines', { 'src/dns/name.ts': "import {\n  a,\n  b,\n} from '../policy/names.ts';" }],
    ['an import when it runs', { 'src/dns/name.ts': "await import('../policy/names.ts');" }],
    ['what is exported again', { 'src/dns/name.ts': "export { x } from '../policy/names.ts';" }],
    ['an import for its effect', { 'src/dns/name.ts': "import 'pino';" }],
    ['a package that a folder may not have', { 'src/policy/compile.ts': "import { LRUCache } from 'lru-cache';" }],
    ['a subpath of it', { 'src/policy/compile.ts': "import x from 'lru-cache/raw';" }],
    ['Node.js in dns', { 'src/dns/name.ts': "import { createHash } from 'node:crypto';" }],
    ['policy that knows its sources', { 'src/policy/compile.ts': "import { x } from './sources/files.ts';" }],
    [
      'a thread of another folder',
      { 'src/audit/drain.ts': "new Worker(new URL('../datapath/worker.ts', import.meta.url));" },
    ],
    ['a folder without a rule', { 'src/extra/x.ts': "import 'node:fs';" }],
  ])('%s', (_why, files) => {
    expect(boundaryProblems(treeOf(files))).toHaveLength(1);
  });

  test.each([
    ['an import in a comment', "// import { x } from '../policy/names.ts';"],
    ['the folder itself', "import { x } from './codes.ts';"],
    ['base', "import { x } from '../base/ip.ts';"],
  ])('nothing wrong in %s', (_why, text) => {
    expect(boundaryProblems(treeOf({ 'src/dns/name.ts': text }))).toEqual([]);
  });

  test('a stage that calls a stage', () => {
    const files = { 'src/datapath/forward.ts': "import { reply } from './reply.ts';" };
    expect(stageProblems(treeOf(files))).toEqual(['datapath/forward.ts → datapath/reply.ts']);
    expect(stageProblems(treeOf({ 'src/datapath/serve.ts': "import { reply } from './reply.ts';" }))).toEqual([]);
  });

  test('koffi, dns-packet and client-node where they must not be', () => {
    const files = {
      'src/kernel/netlink.ts': "import koffi from 'koffi';",
      'src/dns/name.ts': "import { decode } from 'dns-packet';",
      'src/sys/libc.ts': "import koffi from 'koffi';",
      'src/kubernetes/watch.ts': "import { Watch } from '@kubernetes/client-node';",
      'src/kubernetes/client.ts': "import { KubeConfig } from '@kubernetes/client-node';",
    };
    expect(exclusivityProblems(treeOf(files))).toEqual([
      'kernel/netlink.ts → koffi',
      'dns/name.ts → dns-packet',
      'kubernetes/watch.ts → @kubernetes/client-node',
    ]);
  });
});
