// Files of /etc that the programs of a namespace see instead of the machine's: `ip netns exec` puts those in /etc/netns/NAME over them (ip-netns(8)).
// They are gone when the test ends; what killed tests left is removed with the next ones.
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = '/etc/netns';

export class PodFiles {
  readonly #folders: string[] = [];
  readonly #wasThere = existsSync(FOLDER);
  readonly #onExit = (): void => this.remove();

  constructor() {
    process.once('exit', this.#onExit);
    if (this.#wasThere) for (const name of readdirSync(FOLDER)) if (isOrphaned(name)) removeFolder(name);
  }

  /** What a kubelet writes for a pod, with nothing but DNS behind its names. */
  write(namespace: string, resolvConf: readonly string[]): void {
    const folder = join(FOLDER, namespace);
    mkdirSync(folder, { recursive: true });
    this.#folders.push(namespace);
    writeFileSync(join(folder, 'resolv.conf'), resolvConf.map((line) => `${line}\n`).join(''));
    writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: files dns\n');
  }

  remove(): void {
    process.off('exit', this.#onExit);
    for (const namespace of this.#folders.splice(0)) removeFolder(namespace);
    if (!this.#wasThere && existsSync(FOLDER) && readdirSync(FOLDER).length === 0) rmdirSync(FOLDER);
  }
}

function removeFolder(namespace: string): void {
  rmSync(join(FOLDER, namespace), { recursive: true, force: true });
}

/** Namespaces of a lab carry the process that made it (src/cli/demo/namespaces.ts). */
function isOrphaned(name: string): boolean {
  const pid = /^namewall-[a-z0-9]+-(\d+)-[0-9a-f]{4}$/.exec(name)?.[1];
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}
