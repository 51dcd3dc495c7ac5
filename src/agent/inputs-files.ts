// Clients and policies of a host, from files: both are read anew at each change, and a problem in either refuses the whole change, because
// the rest alone might open what the wrong part was meant to close.
import type { Parsed } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Pod } from '../pods/pod.ts';
import { loadClients } from '../pods/sources/file.ts';
import { loadPolicies } from '../policy/sources/files.ts';
import { ParsedFiles } from '../policy/sources/parsed-files.ts';
import { watchFiles } from '../policy/sources/watch.ts';
import type { FileWatch } from '../policy/sources/watch.ts';
import type { Policy } from '../policy/policy.ts';
import type { HostConfig } from './config.ts';
import type { Inputs, InputSource } from './inputs.ts';

export class FileSource implements InputSource {
  readonly #config: HostConfig;
  readonly #parsed = new ParsedInputs();
  #watches: readonly FileWatch[] = [];

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
    return source;
  }

  read(): Promise<Parsed<Inputs>> {
    return readFiles(this.#config, this.#parsed);
  }

  warnings(): readonly string[] {
    return [];
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }
}

/** What the files meant at the last reading: one that has changed does not cost the parsing of all. */
class ParsedInputs {
  readonly clients = new ParsedFiles<readonly Pod[]>();
  readonly policies = new ParsedFiles<readonly Policy[]>();
}

/** All problems of clients and policies are reported together. */
export async function readFiles(config: HostConfig, parsed = new ParsedInputs()): Promise<Parsed<Inputs>> {
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
      pods: clients.value,
      knowsAllPods: true,
      podsAt: `${config.clients}:1:1`,
      policies: policies.value,
      dnsServers: config.dnsServers,
      zones: [{ zone: '.', servers: config.upstreams }],
      guardedRanges: [],
      protectedRanges: [],
      problems: [],
    },
  };
}
