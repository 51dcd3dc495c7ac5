// Clients and policies of a host, from files: both are read anew at each change, and a problem in either refuses the whole change, because
// the rest alone might open what the wrong part was meant to close. Whom we ask opens nothing, and changes whatever is wrong with those.
import { isDeepStrictEqual } from 'node:util';
import type { Parsed } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { loadClients, type Clients } from '../pods/sources/file.ts';
import type { PolicyFile } from '../policy/dialects/read-policies.ts';
import { enforced } from '../policy/enforced.ts';
import { loadPolicies } from '../policy/sources/files.ts';
import { ParsedFiles } from '../policy/sources/parsed-files.ts';
import { watchFiles } from '../policy/sources/watch.ts';
import type { FileWatch } from '../policy/sources/watch.ts';
import type { HostConfig } from './config.ts';
import type { Inputs, InputSource } from './inputs.ts';
import { ResolvConfFile } from './resolv-conf-file.ts';

/** What says whom we ask is another file, if it is one at all. */
type Asked = Pick<Inputs, 'zones' | 'problems'>;
type FileInputs = Omit<Inputs, keyof Asked>;

export class FileSource implements InputSource {
  readonly #config: HostConfig;
  readonly #parsed = new ParsedInputs();
  #watches: readonly FileWatch[] = [];
  /** Where the configuration lists no servers. */
  #resolvConf: ResolvConfFile | undefined;
  #last: Inputs | undefined;

  private constructor(config: HostConfig) {
    this.#config = config;
  }

  /** Resolves when changes are being noticed: what is read after that cannot have been missed. Rejects with WatchError. */
  static async open(config: HostConfig, changed: () => void, log: Logger): Promise<FileSource> {
    const source = new FileSource(config);
    const failed = (error: Error): void =>
      log.error({ error: error.message }, 'Cannot watch files: changes need a restart');
    source.#watches = await Promise.all([
      watchFiles([config.clients], { changed, failed }),
      watchFiles(config.policies, { changed, failed }),
    ]);
    if ('file' in config.upstreams) {
      source.#resolvConf = await ResolvConfFile.open(config.upstreams.file, changed, log);
    }
    return source;
  }

  async read(): Promise<Parsed<Inputs>> {
    const [asked, files] = await Promise.all([this.#readAsked(), readFiles(this.#config, this.#parsed)]);
    if (asked.ok && files.ok) {
      const { policies, problems } = enforced(files.value.policies, this.#config.enforce);
      this.#last = { ...files.value, policies, ...asked.value, problems: [...asked.value.problems, ...problems] };
      return { ok: true, value: this.#last };
    }
    const problems = [asked, files].flatMap((each) => (each.ok ? [] : each.problems));
    if (!asked.ok || this.#last === undefined || isDeepStrictEqual(asked.value.zones, this.#last.zones)) {
      return { ok: false, problems };
    }
    this.#last = { ...this.#last, ...asked.value };
    return { ok: true, value: { ...this.#last, problems: [...asked.value.problems, ...problems] } };
  }

  warnings(): readonly string[] {
    return this.#resolvConf?.warnings() ?? [];
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
    this.#resolvConf?.close();
  }

  async #readAsked(): Promise<Parsed<Asked>> {
    const { zones, upstreams, dnsServers } = this.#config;
    const read = await this.#resolvConf?.read(dnsServers);
    if (read?.ok === false) return read;
    const listed = 'file' in upstreams ? [] : upstreams;
    const { servers, problems } = read?.value ?? { servers: listed, problems: [] };
    return { ok: true, value: { zones: [...zones, { zone: '.', servers }], problems } };
  }
}

/** What the files meant at the last reading: one that has changed does not cost the parsing of all. */
class ParsedInputs {
  readonly clients = new ParsedFiles<Clients>();
  readonly policies = new ParsedFiles<PolicyFile>();
}

/** All problems of clients and policies are reported together. */
export async function readFiles(config: HostConfig, parsed = new ParsedInputs()): Promise<Parsed<FileInputs>> {
  const [clients, policies] = await Promise.all([
    loadClients(config.clients, parsed.clients),
    loadPolicies(config.policies, parsed.policies),
  ]);
  if (!clients.ok || !policies.ok) {
    return {
      ok: false,
      problems: [...(clients.ok ? [] : clients.problems), ...(policies.ok ? [] : policies.problems)],
    };
  }
  return {
    ok: true,
    value: {
      ...clients.value,
      knowsAllPods: true,
      areDnsServersInside: false,
      podsAt: `${config.clients}:1:1`,
      policies: policies.value,
      dnsServers: config.dnsServers,
      guardedRanges: [],
      protectedRanges: [],
    },
  };
}
