// Files, folders and globs, as an operator lists them → the files to read and the folders whose change matters. Folders are not
// searched below their first level; hidden files are an editor's or a ConfigMap's own business.
import { readdir, stat } from 'node:fs/promises';
import { dirname, extname, join, parse, resolve, sep } from 'node:path';
import { minimatch } from 'minimatch';
import type { Problem } from '../../base/errors.ts';

export interface ExpandedPaths {
  /** In the order of the list, each folder's and glob's files sorted; none twice. */
  readonly files: readonly string[];
  /** Every folder that was looked into, existing or not. */
  readonly folders: readonly string[];
  readonly problems: readonly Problem[];
}

const EXTENSIONS = ['.yaml', '.yml', '.json'];
const HAS_MAGIC = /[*?[\]{}]/;

export async function expandPaths(paths: readonly string[]): Promise<ExpandedPaths> {
  const expansion = new Expansion();
  for (const path of paths) await expansion.add(path);
  return { files: [...expansion.files.values()], folders: [...expansion.folders], problems: expansion.problems };
}

/** A problem of a path as a whole: it has no line, so it points at the first. */
export function pathProblem(path: string, code: string, message: string): Problem {
  return { code, at: `${path}:1:1`, message };
}

/** Words for the codes of the file system that an operator meets. */
export function reasonOf(error: unknown): string {
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file or folder';
    case 'EACCES':
    case 'EPERM':
      return 'this process may not read it';
    case 'ELOOP':
      return 'its symbolic links go round in a circle';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

class Expansion {
  /** By absolute path, so that `a.yaml` and `./a.yaml` are one file; the value is as it was written, for messages. */
  readonly files = new Map<string, string>();
  readonly folders = new Set<string>();
  readonly problems: Problem[] = [];

  async add(path: string): Promise<void> {
    try {
      const status = await stat(path);
      if (!status.isDirectory()) {
        this.folders.add(dirname(resolve(path)));
        if (status.isFile()) this.#keep(path);
        else this.#fail(path, 'bad-path', 'it is neither a file nor a folder');
        return;
      }
      await this.#addFolder(path);
    } catch (error) {
      if (HAS_MAGIC.test(path)) return this.#addGlob(path); // a file that has this very name was found above
      this.folders.add(dirname(resolve(path)));
      this.#fail(path, 'bad-path', reasonOf(error));
    }
  }

  async #addFolder(folder: string): Promise<void> {
    const before = this.problems.length;
    const found = await this.#filesIn(folder, (name) => EXTENSIONS.includes(extname(name)));
    for (const file of found) this.#keep(file);
    if (found.length === 0 && this.problems.length === before)
      this.#fail(folder, 'empty-folder', `it holds no ${EXTENSIONS.join(', ')} file`);
  }

  /** Segment by segment, so that only folders that can hold a match are read. */
  async #addGlob(glob: string): Promise<void> {
    if (glob.split(sep).includes('**')) {
      return this.#fail(glob, 'bad-path', '"**" is not supported; list the folders');
    }
    const { root } = parse(glob);
    const segments = glob
      .slice(root.length)
      .split(sep)
      .filter((segment) => segment !== '');
    const last = segments.pop() ?? '';
    let folders = [root];
    for (const segment of segments) folders = await this.#descend(folders, segment);
    const before = this.problems.length;
    let count = 0;
    for (const folder of folders) {
      for (const file of await this.#filesIn(folder, (name) => minimatch(name, last))) {
        this.#keep(file);
        count++;
      }
    }
    if (count === 0 && this.problems.length === before) this.#fail(glob, 'bad-path', 'no file matches it');
  }

  async #descend(folders: readonly string[], segment: string): Promise<string[]> {
    if (!HAS_MAGIC.test(segment)) return folders.map((folder) => join(folder, segment));
    const found = await Promise.all(
      folders.map(async (folder) => {
        const names = await this.#namesIn(folder);
        return names.filter((name) => minimatch(name, segment)).map((name) => join(folder, name));
      }),
    );
    return found.flat();
  }

  async #filesIn(folder: string, isWanted: (name: string) => boolean): Promise<string[]> {
    const names = (await this.#namesIn(folder)).filter((name) => !name.startsWith('.') && isWanted(name));
    const paths = names.map((name) => join(folder, name));
    const kept = await Promise.all(paths.map(async (path) => ((await isFolder(path)) ? [] : [path])));
    return kept.flat(); // what is broken stays in the list: reading it says why
  }

  /** The parent is watched too: the folder itself may be a link, or be replaced by another of its name. */
  async #namesIn(folder: string): Promise<string[]> {
    const path = resolve(folder);
    this.folders.add(path).add(dirname(path));
    try {
      return (await readdir(path)).toSorted();
    } catch (error) {
      // Where a glob looks, a missing folder or a file in its place only means that nothing matches there.
      if (!isCode(error, 'ENOENT') && !isCode(error, 'ENOTDIR')) this.#fail(folder, 'bad-path', reasonOf(error));
      return [];
    }
  }

  #keep(path: string): void {
    const key = resolve(path);
    if (!this.files.has(key)) this.files.set(key, path);
  }

  #fail(path: string, code: string, why: string): void {
    this.problems.push(pathProblem(path, code, `Cannot read ${JSON.stringify(path)}: ${why}`));
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // a dangling link: the reader reports it with its reason
  }
}
