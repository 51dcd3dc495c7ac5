// Reads /proc. A file that is not there, or that we may not read, is undefined: which files there are depends on
// kernel, modules and rights.
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Tests give those of a namespace, or what stands in a map. */
export interface ProcFiles {
  /** The text of a file. */
  read(path: string): Promise<string | undefined>;
  /** The names in a folder; none when there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /** Where a symbolic link leads. */
  target(path: string): Promise<string | undefined>;
}

export const procFiles: ProcFiles = {
  read: (path) => readFile(path, 'utf8').catch(() => undefined),
  list: (path) => readdir(path).catch(() => []),
  target: (path) => readlink(path).catch(() => undefined),
};

/** The number in a file of /proc/sys; undefined where the kernel has no such setting. */
export async function readNumber(files: ProcFiles, path: string): Promise<number | undefined> {
  const text = await files.read(path);
  return text === undefined ? undefined : Number(text.trim());
}
