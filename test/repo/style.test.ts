// Rules of layout.md §2 that a linter does not know. Each takes a tree, and each is shown a tree that breaks it.
import { describe, expect, test } from 'vitest';
import { codeOf, readTree, treeOf, type Tree } from './tree.ts';

interface Rule {
  readonly title: string;
  /** In code without comments and strings. */
  readonly pattern: RegExp;
  /** Which files it holds for. */
  readonly where: (path: string) => boolean;
  /** Files that must break it, with the reason. */
  readonly except?: Readonly<Record<string, string>>;
  /** Paths and lines that break it. */
  readonly broken: readonly (readonly [string, string])[];
  /** And such as do not. */
  readonly kept: readonly (readonly [string, string])[];
}

const isSource = (path: string): boolean => path.startsWith('src/');
/** Where names from the network go. */
const meetsNames = (path: string): boolean => /^src\/(dns|datapath)\/|^src\/policy\/names\.ts$/.test(path);

const RULES: readonly Rule[] = [
  {
    title: 'no `any`',
    pattern: /(?:[:<|&]|\bas|\bextends)\s*any\b|\bany(?:\[\]|>)/,
    where: () => true,
    broken: [
      ['src/a.ts', 'const x: any = 1;'],
      ['test/a.ts', 'x as any'],
      ['src/a.ts', 'function f(x: Map<string, any[]>) {}'],
    ],
    kept: [
      ['src/a.ts', '// any day'],
      ['src/a.ts', "const x = 'any';"],
      ['src/a.ts', 'await Promise.any(all)'],
      ['src/a.ts', 'const company = 1;'],
    ],
  },
  {
    title: 'no default exports',
    pattern: /\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/,
    where: (path) => !/^test\/(?:mutations\/)?vitest\.config\.ts$/.test(path), // vitest reads nothing else
    broken: [
      ['src/a.ts', 'export default class A {}'],
      ['src/a.ts', 'export { a as default };'],
    ],
    kept: [['src/a.ts', 'export const a = 1; switch (a) { default: }']],
  },
  {
    title: 'process.exit only in main.ts',
    pattern: /\bprocess\s*\.\s*(?:exit|reallyExit|abort)\b|\bexit\b[^;]*from\s*''/,
    where: (path) => isSource(path) && path !== 'src/main.ts',
    broken: [
      ['src/agent/die.ts', 'process.exit(1);'],
      ['src/agent/die.ts', 'process.abort();'],
    ],
    kept: [
      ['src/main.ts', 'process.exit(0);'],
      ['src/agent/die.ts', 'process.exitCode = 1;'],
    ],
  },
  {
    title: 'the time of day only in sys/',
    pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|(?<!new\s)\bDate\s*\(/,
    where: (path) => isSource(path) && !path.startsWith('src/sys/'),
    except: { 'src/audit/drain.ts': 'the time of a note of loss, which no record carries; no lifetime depends on it' },
    broken: [
      ['src/datapath/loop.ts', 'const now = Date.now();'],
      ['src/audit/decode.ts', 'new Date().toISOString()'],
    ],
    kept: [
      ['src/sys/linux.ts', 'return Date.now();'],
      ['src/audit/decode.ts', 'new Date(wallMs).toISOString()'],
    ],
  },
  {
    title: 'Math.random nowhere: what must not be guessed comes from the kernel',
    pattern: /\bMath\s*\.\s*random\b/,
    where: isSource,
    broken: [['src/datapath/state/random.ts', 'const id = Math.random() * 65536;']],
    kept: [['src/datapath/state/random.ts', 'sys.randomFill(words); // not Math.random']],
  },
  {
    title: 'no RegExp where names from the network go',
    pattern: /RegExpLiteral|\bRegExp\b|\bminimatch\b|\.(?:match|matchAll|search|replaceAll?)\s*\(\s*RegExpLiteral/,
    where: meetsNames,
    except: { 'src/dns/codes.ts': 'mnemonics of types as an operator writes them, at most ten characters' },
    broken: [
      ['src/dns/name.ts', 'if (/^a+$/.test(text)) return;'],
      ['src/dns/name.ts', 'return /[/]x/i.exec(text);'],
      ['src/policy/names.ts', 'const pattern = new RegExp(text);'],
      ['src/datapath/match.ts', 'text.replace(/a/g, "b")'],
    ],
    kept: [
      ['src/policy/name-syntax.ts', 'if (/^a+$/.test(text)) return;'],
      ['src/dns/name.ts', 'const half = length / 2 / count;'],
      ['src/dns/name.ts', "const slash = '/a/';"],
      ['src/dns/name.ts', '// a RegExp would be exponential'],
    ],
  },
  {
    title: 'nothing is awaited in the data plane',
    pattern: /\basync\b|\bawait\b|\bPromise\b|\bset(?:Timeout|Interval|Immediate)\b|\bprocess\.nextTick\b/,
    where: (path) => /^src\/(dns|datapath)\//.test(path),
    broken: [
      ['src/datapath/loop.ts', 'async function turn() {}'],
      ['src/datapath/loop.ts', 'setTimeout(turn, 5);'],
    ],
    kept: [['src/agent/agent.ts', 'await start();']],
  },
  {
    title: 'nothing is logged from the data plane',
    pattern: /\bconsole\s*\.|\bpino\b|\bprocess\s*\.\s*std(?:out|err)\b/,
    where: (path) => /^src\/(dns|datapath|bridge|policy|kernel|sys)\//.test(path),
    broken: [['src/datapath/loop.ts', 'console.error(error);']],
    kept: [['src/base/log.ts', 'pino({ level });']],
  },
  {
    title: 'no enum, namespace or parameter property: erasable syntax only',
    pattern: /^\s*(?:export\s+)?(?:const\s+)?enum\s+\w|^\s*(?:export\s+)?namespace\s+\w/m,
    where: () => true,
    broken: [['src/a.ts', 'export enum State { A }']],
    kept: [['src/a.ts', 'const namespace = pod.namespace;']],
  },
];

function problemsOf(rule: Rule, tree: Tree): string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!rule.where(path) || Object.hasOwn(rule.except ?? {}, path)) return [];
    return codeOf(text)
      .split('\n')
      .flatMap((line) => (rule.pattern.test(line) ? [`${path}: ${line.trim()}`] : []));
  });
}

const tree = readTree(['src', 'test']);
const sources = [...tree.keys()].filter(isSource);

describe.each(RULES.map((rule) => [rule.title, rule] as const))('%s', (_title, rule) => {
  test('in the repository', () => {
    expect(problemsOf(rule, tree)).toEqual([]);
  });

  test('every exception is still needed', () => {
    for (const path of Object.keys(rule.except ?? {})) {
      const { except: _, ...strict } = rule;
      expect(problemsOf(strict, treeOf({ [path]: tree.get(path) ?? '' }))).not.toEqual([]);
    }
  });

  test.each(rule.broken)('is broken in %s by %s', (path, text) => {
    expect(problemsOf(rule, treeOf({ [path]: text }))).toHaveLength(1);
  });

  test.each(rule.kept)('is kept in %s by %s', (path, text) => {
    expect(problemsOf(rule, treeOf({ [path]: text }))).toEqual([]);
  });
});

const VAGUE = ['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'handler', 'misc', 'index'];

function vagueNames(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const name = path.split('/').at(-1) ?? '';
    return name.split(/[-.]/).some((word) => VAGUE.includes(word));
  });
}

test('no file is called utils, helpers, common, manager, handler or index', () => {
  expect(vagueNames([...tree.keys()])).toEqual([]);
  expect(
    vagueNames(['src/dns/utils.ts', 'src/dns/index.ts', 'src/audit/packet-handler.ts', 'src/dns/name.ts']),
  ).toHaveLength(3);
});

test('file names are kebab-case', () => {
  const isKebab = (path: string): boolean =>
    /^(?:[a-z0-9]+(?:[-.][a-z0-9]+)*\/)*[a-z0-9]+(?:[-.][a-z0-9]+)*\.ts$/.test(path);
  expect([...tree.keys()].filter((path) => !isKebab(path))).toEqual([]);
  expect([
    isKebab('src/dns/buildReply.ts'),
    isKebab('src/dns/build_reply.ts'),
    isKebab('src/dns/build-reply.ts'),
  ]).toEqual([false, false, true]);
});

/** `#!/usr/bin/env node` may stand before it. */
const opensWithItsPurpose = (text: string): boolean => /^(?:#![^\n]*\n)?\/\/ \S/.test(text);

test('a source file opens by saying what it owns', () => {
  expect(sources.filter((path) => !opensWithItsPurpose(tree.get(path) ?? ''))).toEqual([]);
  expect(opensWithItsPurpose("import 'node:fs';\n// late")).toBe(false);
});

function todoProblems(all: Tree): string[] {
  return [...all].flatMap(([path, text]) =>
    text
      .split('\n')
      .flatMap((line) => (/\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\):)/.test(line) ? [`${path}: ${line.trim()}`] : [])),
  );
}

test('a TODO names its issue', () => {
  expect(todoProblems(new Map([...tree].filter(([path]) => isSource(path))))).toEqual([]);
  expect(todoProblems(treeOf({ 'src/a.ts': '// TODO: later\n// TODO(#12): TCP' }))).toEqual([
    'src/a.ts: // TODO: later',
  ]);
});

test('a test has a source: a file in test/unit stands where its source stands', () => {
  /** Tests that are about a specification or about a kind of fault, not about one file. */
  const others: Readonly<Record<string, string>> = {
    'test/unit/dns/cves.test.ts': 'one test for each published fault of another DNS program',
    'test/unit/cli/main.test.ts': 'src/main.ts as a process, beside the commands that it runs',
  };
  const unplaced = [...tree.keys()].filter((path) => {
    if (!path.startsWith('test/unit/') || !path.endsWith('.test.ts') || Object.hasOwn(others, path)) return false;
    const source = path.replace('test/unit/', 'src/').replace('.test.ts', '');
    return !tree.has(`${source}.ts`) && ![...tree.keys()].some((each) => each.startsWith(`${source}/`));
  });
  expect(unplaced.filter((path) => !/\/rfc\d+\.test\.ts$/.test(path))).toEqual([]);
});
