// The repository as text, for the rules in this folder: files by path, their imports, and their code without comments and strings.
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Path from the top, with `/`, → content. Rules take a tree, so that they can be shown one that breaks them. */
export type Tree = ReadonlyMap<string, string>;

export function readTree(folders: readonly string[], ending = '.ts'): Tree {
  const tree = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true })) {
      const path = posix.join(posix.relative(ROOT, entry.parentPath), entry.name);
      if (entry.isFile() && path.endsWith(ending)) tree.set(path, readFileSync(`${ROOT}${path}`, 'utf8'));
    }
  }
  return tree;
}

export function treeOf(files: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries(files));
}

/** What a file imports: a path from the top for files of ours, else the name of the package without its subpath, or `node:…`. */
export function importsOf(path: string, text: string): string[] {
  const code = withoutComments(text);
  const statements = [...code.matchAll(/^\s*(?:import\s*|(?:import|export)\b[^;'"=()]*?\bfrom\s*)['"]([^'"]+)['"]/gm)];
  const calls = [...code.matchAll(/\bimport\s*\(\s*['"]([^'"]+)['"]/g)];
  const threads = [...code.matchAll(/new URL\(\s*['"](\.[^'"]+\.ts)['"]/g)];
  return [...statements, ...calls, ...threads].map(([, specifier = '']) => {
    if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
    if (specifier.startsWith('node:')) return specifier;
    return specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
  });
}

type Token = 'comment' | 'string' | 'regexp';

/** The code with comments blanked. */
export function withoutComments(text: string): string {
  return blank(text, (kind) => kind === 'comment');
}

/** The code with comments and the contents of strings blanked, and every literal RegExp written as `RegExpLiteral`. */
export function codeOf(text: string): string {
  return blank(text, () => true);
}

// Comments, strings, templates (with what they embed) and literal RegExps: enough of the grammar to tell code from text.
const TOKENS =
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"|`(?:[^`\\]|\\[\s\S])*`)|(?<=(?:[=(,:[!&|?{};+]|\breturn|=>)\s*)(?<regexp>\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*)/g;

function blank(text: string, isBlanked: (kind: Token) => boolean): string {
  return text.replaceAll(TOKENS, (token: string, ...rest: unknown[]) => {
    const groups = rest.at(-1) as Partial<Record<Token, string>>; // replaceAll hands the named groups over last
    if (groups.regexp !== undefined) return isBlanked('regexp') ? 'RegExpLiteral' : token;
    const kind: Token = groups.comment === undefined ? 'string' : 'comment';
    if (!isBlanked(kind)) return token;
    if (kind === 'comment') return ' ';
    if (!token.startsWith('`')) return "''";
    return `''${[...token.matchAll(/\$\{([^}]*)\}/g)].map(([, inner = '']) => ` + (${blank(inner, isBlanked)})`).join('')}`;
  });
}
