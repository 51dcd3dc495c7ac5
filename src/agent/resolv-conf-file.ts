// The servers of a resolv.conf that may change at any time: read anew whenever it does, and the last ones stay while it names none that can be
// asked. Whoever writes it (a DHCP client, systemd-resolved) does not know us, so that after the start nothing in it ends anything.
import { readFile } from 'node:fs/promises';
import type { Parsed, Problem } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { pathProblem, reasonOf } from '../policy/sources/paths.ts';
import { watchFiles } from '../policy/sources/watch.ts';
import type { FileWatch } from '../policy/sources/watch.ts';
import type { Endpoint } from '../sys/sys.ts';
import { readResolvConf } from './resolv-conf.ts';
import type { ResolvConf } from './resolv-conf.ts';

/** No folder tells of a file that is mounted over another (Docker), nor of what a link will lead to that leads nowhere yet. */
const LOOK_MS = 10_000;
const NOTHING: ResolvConf = { servers: [], own: [], skipped: [] };

interface NamedServers {
  /** At least one. */
  readonly servers: readonly Endpoint[];
  /** What is wrong although there are servers: some are ours, or the file gives none and these are its last. */
  readonly problems: readonly Problem[];
}

export class ResolvConfFile {
  readonly #path: string;
  readonly #log: Logger;
  #watch: FileWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** As it was read last: the text, or why there was none. */
  #seen: Parsed<string> = { ok: true, value: '' };
  #servers: readonly Endpoint[] = [];
  #isStale = false;
  #told: ReadonlySet<string> = new Set();

  private constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Resolves when changes are being noticed: what is read after that cannot have been missed. Rejects with WatchError. */
  static async open(path: string, changed: () => void, log: Logger): Promise<ResolvConfFile> {
    const file = new ResolvConfFile(path, log);
    const failed = (error: Error): void =>
      log.error(
        { error: error.message },
        `Cannot watch the nameservers' file: it is looked at every ${LOOK_MS / 1000} s`,
      );
    file.#watch = await watchFiles([path], { changed, failed });
    file.#timer = setInterval(() => void file.#look(changed), LOOK_MS);
    return file;
  }

  /** `own` are addresses whose port 53 is ours, canonical text. Problems alone only when the file has never named a server to ask. */
  async read(own: readonly string[]): Promise<Parsed<NamedServers>> {
    const text = await readText(this.#path);
    this.#seen = text;
    const named = text.ok ? readResolvConf(text.value, this.#path, own) : NOTHING;
    this.#tellSkipped(named.skipped);
    const found = [...(text.ok ? [] : text.problems), ...named.own];
    this.#isStale = named.servers.length === 0;
    if (!this.#isStale) {
      this.#servers = named.servers;
      return { ok: true, value: { servers: named.servers, problems: found } };
    }
    const problems = found.length > 0 ? found : [noServer(this.#path)];
    if (this.#servers.length === 0) return { ok: false, problems };
    const stale = problems.map((each) => ({
      ...each,
      message: `${each.message}; until then its last servers are asked`,
    }));
    return { ok: true, value: { servers: this.#servers, problems: stale } };
  }

  warnings(): readonly string[] {
    return this.#isStale ? [`${this.#path} names no server that can be asked: its last ones are`] : [];
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#watch?.close();
  }

  async #look(changed: () => void): Promise<void> {
    const text = await readText(this.#path);
    if (!this.#isClosed && JSON.stringify(text) !== JSON.stringify(this.#seen)) changed();
  }

  /** Each once, as long as it stands there. */
  #tellSkipped(skipped: readonly Problem[]): void {
    for (const { at, code, message } of skipped) if (!this.#told.has(message)) this.#log.warn({ at, code }, message);
    this.#told = new Set(skipped.map(({ message }) => message));
  }
}

/** Its comments may be in any encoding. */
async function readText(path: string): Promise<Parsed<string>> {
  try {
    return { ok: true, value: await readFile(path, 'latin1') };
  } catch (error) {
    const message = `Cannot read the nameservers of ${path}: ${reasonOf(error)}; mend it, or list servers in dns.upstreams`;
    return { ok: false, problems: [pathProblem(path, 'bad-path', message)] };
  }
}

function noServer(path: string): Problem {
  const message = `Cannot ask anybody: ${path} has no nameserver that can be asked; add one, or list servers in dns.upstreams`;
  return pathProblem(path, 'no-nameserver', message);
}
