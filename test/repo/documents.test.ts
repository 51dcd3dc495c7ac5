// What the documents show works: every command is run, every YAML block is read by the code that will read it, every path is there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readConfig, type Config } from '../../src/agent/config.ts';
import type { Parsed } from '../../src/base/errors.ts';
import { readTests } from '../../src/cli/test/read-tests.ts';
import { readClients } from '../../src/pods/sources/file.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import { blocksOf, commandsOf, wordsOf, type Block, type Command } from './blocks.ts';
import { readTree, ROOT } from './tree.ts';

const DOCUMENTS = ['README.md', 'policies/README.md', 'src/README.md'];

/** Commands that are not run here. A new one needs a line, and the line needs a reason. */
const ELSEWHERE: readonly { readonly command: string; readonly reason: string; check?(shown: string): void }[] = [
  { command: 'npm run demo', reason: 'needs root: test/netns/demo.test.ts runs it' },
  { command: 'npm test', reason: 'is what runs this' },
  {
    command: 'npx namewall run --config namewall.yaml',
    reason: 'needs root: test/netns; the file itself is read here',
  },
  { command: 'npx namewall run --cleanup', reason: 'needs root and takes away real rules: test/netns' },
  {
    command:
      "npm run demo -- --audit audit.jsonl > /dev/null; grep -m1 'connection.denied.*api.example.org opens' audit.jsonl",
    reason: 'needs root; that the line it shows is one that the code writes is checked here',
    check: (shown) => {
      const event = JSON.parse(shown) as Record<string, unknown>;
      expect(event).toMatchObject({ event: 'connection.denied', names: ['api.example.org'] });
      const source = readFileSync(`${ROOT}src/audit/event.ts`, 'utf8');
      for (const key of Object.keys(event)) expect(source).toMatch(new RegExp(`readonly ${key}\\??: |'${key}'`));
    },
  },
];

/** Blocks in languages that nobody can run: drawings and excerpts of code. */
const SHOWN_ONLY = ['', 'text', 'ts'];

const blocks = DOCUMENTS.filter((file) => existsSync(`${ROOT}${file}`)).flatMap((file) =>
  blocksOf(file, readFileSync(`${ROOT}${file}`, 'utf8')),
);
const yamlBlocks = blocks.filter(({ language }) => language === 'yaml');
const commands = blocks.filter(({ language }) => ['sh', 'console'].includes(language)).flatMap(commandsOf);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-documents-'));
  for (const { name, text } of yamlBlocks) if (name !== '') write(name, text);
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** What a YAML block is: it is told by its keys, as the programs tell it. */
function readYaml(block: Block): Parsed<unknown> {
  if (Array.isArray(parseAllDocuments(block.text)[0]?.toJS())) return readTests(block.text, block.at);
  const keys = parseAllDocuments(block.text).flatMap((document) =>
    Object.keys((document.toJS() as object | null) ?? {}),
  );
  if (keys.includes('kind')) return readPolicies(block.text, block.at);
  if (keys.includes('dns')) return readConfig(write(block.name || 'some-namewall.yaml', block.text));
  if (keys.includes('clients')) return readClients(block.text, block.at);
  return {
    ok: false,
    problems: [{ code: 'unknown-block', at: block.at, message: `Nothing reads ${keys.join(', ')}` }],
  };
}

function runCommand({ line }: Command): { out: string; err: string; code: number | null } {
  const words = wordsOf(line) ?? expect.fail(`${line}: not one plain command`);
  const plain = words[0] === 'npx' ? words.slice(1) : words;
  expect(plain[0]).toBe('namewall');
  const { stdout, stderr, status } = spawnSync(process.execPath, [`${ROOT}src/main.ts`, ...plain.slice(1)], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { out: stdout, err: stderr, code: status };
}

describe('code blocks', () => {
  test('every block is of a language that is known here', () => {
    const known = ['yaml', 'sh', 'console', ...SHOWN_ONLY];
    expect(blocks.filter(({ language }) => !known.includes(language)).map(({ at }) => at)).toEqual([]);
  });

  test.each(yamlBlocks.map((block) => [block.at, block] as const))('the YAML at %s is valid', (_at, block) => {
    expect(readYaml(block)).toMatchObject({ ok: true });
  });

  test.each(commands.map((command) => [command.at, command.line, command] as const))('%s: %s', (_at, line, command) => {
    const elsewhere = ELSEWHERE.find((each) => each.command === line);
    if (elsewhere !== undefined) {
      const script = /^npm run (?:-s )?([\w:]+)/.exec(line)?.[1];
      if (script !== undefined) expect(readFileSync(`${ROOT}package.json`, 'utf8')).toContain(`"${script}": "`);
      elsewhere.check?.(command.shown ?? '');
      return;
    }
    const { out, err, code } = runCommand(command);
    if (command.shown === undefined) expect([code, err]).toEqual([0, '']);
    else expect(out).toBe(command.shown);
  });

  test('every command that is run elsewhere is still shown', () => {
    const shown = commands.map(({ line }) => line);
    expect(ELSEWHERE.map(({ command }) => command).filter((command) => !shown.includes(command))).toEqual([]);
  });

  test('a wrong block is seen', () => {
    const [policy, config, clients, stranger] = blocksOf(
      'x.md',
      [
        '```yaml\nkind: CiliumNetworkPolicy\n```',
        '```yaml\ndns: {}\n```',
        '```yaml\nclients: 7\n```',
        '```yaml\nfoo: 1\n```',
      ].join('\n'),
    );
    for (const block of [policy, config, clients, stranger])
      expect(readYaml(block ?? expect.fail('a block'))).toMatchObject({ ok: false });
  });

  test('wrong output is seen', () => {
    const [block] = blocksOf(
      'x.md',
      "```console\n$ npx namewall match '*.example.org' a.b.example.org\nyes a.b.example.org\n```",
    );
    const [command] = commandsOf(block ?? expect.fail('a block'));
    expect(command?.shown).toBe('yes a.b.example.org\n');
    expect(command && runCommand(command).out).toBe('no a.b.example.org\n');
  });

  test.each([
    ['a pipe', 'namewall match a a | head'],
    ['two commands', 'namewall help; rm -rf x'],
    ['a redirection', 'namewall help > x'],
    ['a variable', 'namewall match $NAME a'],
    ['a glob that sh would expand', 'namewall check policies/*.yaml'],
    ['a quote that does not end', "namewall match 'a"],
  ])('a command that this cannot run as sh would is not run: %s', (_why, line) => {
    expect(wordsOf(line)).toBeUndefined();
  });
});

/** Examples inside the prose of policies/README.md: `namewall match …` and tables of what matches. */
describe('the table of patterns in policies/README.md', () => {
  const text = readFileSync(`${ROOT}policies/README.md`, 'utf8');
  const rows = [...text.matchAll(/^\| (`[^|]*`) +\| ([^|]*) \| ([^|]*) \|$/gm)].map(
    ([, rule = '', yes = '', no = '']) => ({
      rules: codesIn(rule),
      yes: codesIn(yes),
      no: codesIn(no),
    }),
  );
  const cases = rows
    .filter(({ yes, no }) => yes.length + no.length > 0)
    .flatMap(({ rules, yes, no }) => rules.map((rule) => [rule, yes, no] as const));

  test('it is found', () => {
    expect(cases.length).toBeGreaterThanOrEqual(6);
  });

  test.each(cases)('%s', (rule, yes, no) => {
    const isName = rule.startsWith('matchName: ');
    const argv = ['match', ...(isName ? ['--name'] : []), rule.replace('matchName: ', ''), ...yes, ...no];
    const { stdout } = spawnSync(process.execPath, [`${ROOT}src/main.ts`, ...argv], { encoding: 'utf8' });
    expect(stdout).toBe([...yes.map((name) => `yes ${name}\n`), ...no.map((name) => `no ${name}\n`)].join(''));
  });
});

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

describe('the table of keys in README.md', () => {
  const readme = existsSync(`${ROOT}README.md`) ? readFileSync(`${ROOT}README.md`, 'utf8') : '';
  const [, table = ''] = readme.split('### All keys of namewall.yaml\n');
  const rows = [...table.split('\n#')[0]!.matchAll(/^\| (`[^|]*`) +\| ([^|]*?) +\|/gm)].map(
    ([, keys = '', value = '']) => ({
      keys: codesIn(keys),
      values: codesIn(value).length > 0 ? codesIn(value) : value.split(', '),
    }),
  );
  const SMALLEST = 'clients: c.yaml\npolicies: p\ndns:\n  servers: 10.96.0.10\n';
  const SMALLEST_NODE = 'mode: node\nkubernetes:\n  nodeName: worker-1\n';

  const configOf = (text: string): Parsed<Config> => readConfig(write('keys/namewall.yaml', text));
  /** The keys that the code itself lists when it refuses an unknown one. */
  function keysOf(text: string): string[] {
    const found = configOf(text);
    const messages = found.ok ? [] : found.problems.map(({ message }) => message);
    return (
      messages
        .find((message) => message.startsWith('Unknown key "zzz"'))
        ?.split(' has ')[1]
        ?.split(', ') ?? []
    );
  }

  test('names every key that there is, and no other', () => {
    const nested = ['dns', 'lifetimes', 'log', 'kubernetes'];
    const all = keysOf(`${SMALLEST}zzz: 1\n`).flatMap((key) =>
      nested.includes(key)
        ? keysOf(`${key}: {zzz: 1}\nmode: ${key === 'kubernetes' ? 'node' : 'host'}\n`).map(
            (inner) => `${key}.${inner}`,
          )
        : [key],
    );
    expect(all.length).toBeGreaterThan(15);
    expect(rows.flatMap(({ keys }) => keys).toSorted()).toEqual(all.toSorted());
  });

  test.each(rows.flatMap(({ keys, values }) => keys.map((key, i) => [key, values[i] ?? ''] as const)))(
    '%s: %s',
    (key, value) => {
      const [outer = '', inner] = key.split('.');
      const smallest = configOf(outer === 'kubernetes' ? SMALLEST_NODE : SMALLEST);
      if (value === 'required') {
        const without = SMALLEST.replace(new RegExp(`^ *${inner ?? outer}: .*\n`, 'm'), '');
        const found = configOf(without);
        expect(found.ok ? [] : found.problems.map(({ message }) => message)).toContain(`Add ${key}: it has no default`);
        return;
      }
      if (value === 'none') return expect(smallest.ok && smallest.value.protect).toEqual({ ranges: [], cidrs: [] });
      const line = inner === undefined ? `${outer}: ${value}\n` : `${outer}: {${inner}: ${value}}\n`;
      if (outer === 'kubernetes') return expect(configOf(`${SMALLEST_NODE}  ${inner}: ${value}\n`)).toEqual(smallest);
      const said = outer === 'dns' ? SMALLEST.replace('dns:\n', `dns:\n  ${inner}: ${value}\n`) : `${SMALLEST}${line}`;
      expect(configOf(said)).toEqual(smallest);
    },
  );
});

/** `path` of a document's text: from the top, from src, or beside the document. */
function missingPaths(file: string, markdown: string, exists: (path: string) => boolean): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '');
  return codesIn(prose).filter((code) => {
    if (!/^(?:[\w.-]+\/)*[\w-]+(?:\.test)?\.(?:ts|md|yaml|nft|sh|scn)$|^(?:src|test|policies)\/[\w./-]+$/.test(code))
      return false;
    return !['', 'src', posix.dirname(file)].some((base) => exists(posix.join(base, code)));
  });
}

/** Names of files that a reader makes, not files of ours. */
const OF_THE_READER = ['egress-test.yaml', 'namewall.yaml', 'clients.yaml', 'policies/one-name.yaml'];

describe('paths', () => {
  const anywhere = [...readTree(['src', 'test', 'policies'], '').keys()];
  const isThere = (path: string): boolean =>
    existsSync(`${ROOT}${path}`) ||
    OF_THE_READER.includes(path) ||
    anywhere.some((each) => !path.includes('/') && each.endsWith(`/${path}`));
  const all = ['README.md', 'CHANGELOG.md', ...readTree(['src', 'test', 'policies'], 'README.md').keys()].filter(
    (file) => existsSync(`${ROOT}${file}`),
  );

  test.each(all.map((file) => [file]))('%s names only files that are there', (file) => {
    expect(missingPaths(file, readFileSync(`${ROOT}${file}`, 'utf8'), isThere)).toEqual([]);
  });

  test('a file that is gone is seen, in prose and not in code blocks', () => {
    const text = 'see `datapath/gone.ts` and `name.ts`, `test/netns/gone`\n```\n`datapath/drawn.ts`\n```\n';
    expect(missingPaths('src/dns/README.md', text, (path) => path === 'src/dns/name.ts')).toEqual([
      'datapath/gone.ts',
      'test/netns/gone',
    ]);
  });

  test('a README.md of a folder begins with the folder or what it is about', () => {
    for (const file of all) expect(readFileSync(`${ROOT}${file}`, 'utf8')).toMatch(/^# \S/);
  });
});
