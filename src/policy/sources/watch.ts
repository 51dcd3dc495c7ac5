// Says when files that an operator listed have changed. Watches folders, never files: an editor that replaces a file by renaming, and
// a ConfigMap that swaps a symbolic link, leave a watch on the file itself behind on the old inode.
import { watch, type FSWatcher } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname, parse } from 'node:path';
import { CodedError } from '../../base/errors.ts';
import { expandPaths } from './paths.ts';

const QUIET_MS = 10; // an editor writes, renames and changes the mode within a few milliseconds: one change
const MAX_WAIT_MS = 1000; // a folder that never rests (a log beside the policies) must not put a change off for ever

class WatchError extends CodedError<'watch-failed'> {}

export interface FileWatch {
  close(): void;
}

export interface WatchListener {
  /** The listed files are others, or have other content, than at the last call or at the start. Read them anew. */
  changed(): void;
  /** The folders cannot be watched (inotify limits); changes may be missed from now on. */
  failed(error: WatchError): void;
}

/** Resolves when changes are being noticed: what was read after that cannot have been missed. `paths` as in loadPolicies. */
export async function watchFiles(paths: readonly string[], listener: WatchListener): Promise<FileWatch> {
  const watched = new FolderWatch(paths, listener);
  await watched.start();
  return watched;
}

class FolderWatch implements FileWatch {
  readonly #paths: readonly string[];
  readonly #listener: WatchListener;
  #watchers: FSWatcher[] = [];
  #fingerprint = '';
  #timer: NodeJS.Timeout | undefined;
  #firstEventMs = 0;
  #isChecking = false;
  #isStale = false;
  #isClosed = false;

  constructor(paths: readonly string[], listener: WatchListener) {
    this.#paths = paths;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    this.#fingerprint = await this.#look();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  /**
   * Watches what the paths mean now, then describes it. In this order: what changes between the two is in the description, and what
   * changes after it wakes the new watchers. All are opened anew, because a folder may be another one under the same name.
   */
  async #look(): Promise<string> {
    const expanded = await expandPaths(this.#paths);
    const targets = await Promise.all(expanded.files.map((file) => realpath(file).catch(() => file)));
    const wanted = new Set([...expanded.folders, ...targets.map((target) => dirname(target))]);
    const existing = new Set(await Promise.all([...wanted].map(nearestFolder)));
    if (this.#isClosed) return '';
    const old = this.#watchers;
    this.#watchers = [...existing].flatMap((folder) => this.#watch(folder) ?? []);
    for (const watcher of old) watcher.close();
    const { files } = await expandPaths(this.#paths);
    return (await Promise.all(files.map(describeFile))).join('\n');
  }

  #watch(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, () => this.#onEvent());
      watcher.on('error', (cause) => this.#fail(folder, cause));
      return watcher;
    } catch (cause) {
      this.#fail(folder, cause);
      return undefined;
    }
  }

  #fail(folder: string, cause: unknown): void {
    if (this.#isClosed) return;
    this.#listener.failed(new WatchError('watch-failed', `Cannot watch folder ${JSON.stringify(folder)}`, { cause }));
  }

  #onEvent(): void {
    if (this.#isClosed) return;
    const nowMs = performance.now();
    if (this.#timer === undefined) this.#firstEventMs = nowMs;
    clearTimeout(this.#timer);
    const waitMs = Math.max(0, Math.min(QUIET_MS, this.#firstEventMs + MAX_WAIT_MS - nowMs));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#check();
    }, waitMs);
  }

  async #check(): Promise<void> {
    this.#isStale = true;
    if (this.#isChecking) return;
    this.#isChecking = true;
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      const fingerprint = await this.#look();
      if (this.#isClosed || fingerprint === this.#fingerprint) continue;
      this.#fingerprint = fingerprint;
      this.#listener.changed();
    }
    this.#isChecking = false;
  }
}

/** Differs whenever the content may: other inode (rename, link swap), size or times. */
async function describeFile(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [path, dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return `${path} unreadable`; // the loader says why
  }
}

/** The folder itself or, while it is missing, the nearest one above: its making is noticed there. */
async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const isThere = await stat(at).then(
      (status) => status.isDirectory(),
      () => false,
    );
    if (isThere || at === parse(at).root) return at;
  }
}
