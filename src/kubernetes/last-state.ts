// The last complete set of objects in a file, for a start without an API server. The file is whole, of this version and of this node, or it
// is not used. Never holds a part of the cluster.
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../base/log.ts';
import { fieldOf, isRecord, listOf, textOf } from './json.ts';
import type { KubernetesObject, PolicyObject } from './objects.ts';
import type { ServiceName, Source, sourcesOf } from './sources.ts';
import type { ClusterObjects } from './view.ts';

const FILE = 'cluster.json';
const VERSION = 1; // of what objects.ts keeps: raise it when an older file would read as something else

export interface LastState {
  readonly objects: ClusterObjects;
  /** Good versions of policies whose newest version is refused. */
  readonly lastGood: readonly PolicyObject[];
}

/** Whose state it is: a disk that was cloned, or another DNS Service in the configuration, makes it somebody else's. */
export interface Owner {
  readonly nodeName: string;
  readonly dnsService: ServiceName;
}

export class LastStateFile {
  readonly #folder: string;
  readonly #owner: Owner;
  readonly #log: Logger;
  readonly #saveMs: number;
  #due: LastState | undefined;
  #isBusy = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #said = '';

  constructor(folder: string, owner: Owner, parts: { readonly log: Logger; readonly saveMs: number }) {
    this.#folder = folder;
    this.#owner = owner;
    this.#log = parts.log;
    this.#saveMs = parts.saveMs;
  }

  /** Undefined when there is none, or none that can be used: that is logged. */
  async read(sources: ReturnType<typeof sourcesOf>): Promise<LastState | undefined> {
    const path = join(this.#folder, FILE);
    try {
      return decode(await readFile(path, 'utf8'), this.#owner, sources);
    } catch (error) {
      if (fieldOf(error, 'code') === 'ENOENT') return undefined;
      this.#log.warn({ path, error: messageOf(error) }, 'Cannot use the last state of the cluster: going without it');
      return undefined;
    }
  }

  /** Written soon, and only the newest: at most once in `saveMs`. */
  save(state: LastState): void {
    this.#due = state;
    if (this.#timer !== undefined || this.#isBusy || this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#write(), this.#saveMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #write(): Promise<void> {
    this.#timer = undefined;
    const state = this.#due;
    if (state === undefined) return;
    this.#due = undefined;
    this.#isBusy = true;
    try {
      await replaceFile(this.#folder, FILE, encode(state, this.#owner));
      this.#said = '';
    } catch (error) {
      const message = messageOf(error);
      if (message !== this.#said) this.#log.warn({ error: message }, 'Cannot write the last state of the cluster');
      this.#said = message;
    }
    this.#isBusy = false;
    if (this.#due !== undefined) this.save(this.#due);
  }
}

/** Either the old content or all of the new is found after a crash. */
async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const parent = await open(folder, 'r');
  try {
    await parent.sync(); // without it the rename may not outlive a power cut
  } finally {
    await parent.close();
  }
}

/** One line that says what the rest is, then the rest. */
function encode({ objects, lastGood }: LastState, owner: Owner): string {
  const body = JSON.stringify({ ...objects, pods: objects.pods.map(({ object }) => object), lastGood });
  return `${JSON.stringify({ version: VERSION, owner, sha256: digest(body) })}\n${body}`;
}

/** Throws when the text is not what `encode` made for the same owner. */
function decode(text: string, owner: Owner, sources: ReturnType<typeof sourcesOf>): LastState {
  const end = text.indexOf('\n');
  const head: unknown = JSON.parse(text.slice(0, Math.max(end, 0)));
  const body = text.slice(end + 1);
  const version = fieldOf(head, 'version');
  if (version !== VERSION)
    throw new Error(`it is of version ${JSON.stringify(version)}, and this one reads ${VERSION}`);
  if (textOf(fieldOf(head, 'sha256')) !== digest(body)) throw new Error('its checksum is wrong');
  if (JSON.stringify(fieldOf(head, 'owner')) !== JSON.stringify(owner))
    throw new Error('it is of another node or service');
  const parsed: unknown = JSON.parse(body);
  const all = <T extends KubernetesObject>(name: string, { keep }: Pick<Source<T>, 'keep'>): T[] =>
    listOf(fieldOf(parsed, name)).map((raw) => kept(keep(raw)));
  const { policies, clusterPolicies } = sources;
  const objects = {
    pods: all('pods', sources.pods).map((object) => ({ object, arrival: 0 })), // which came first is not known any more
    namespaces: all('namespaces', sources.namespaces),
    nodes: all('nodes', sources.nodes),
    services: all('services', sources.services),
    slices: all('slices', sources.slices),
    policies: all('policies', policies),
    clusterPolicies: all('clusterPolicies', clusterPolicies),
  };
  const isOfNamespace = (raw: unknown): boolean => isRecord(raw) && fieldOf(raw, 'metadata', 'namespace') !== undefined;
  const lastGood = listOf(fieldOf(parsed, 'lastGood')).map((raw) =>
    kept((isOfNamespace(raw) ? policies : clusterPolicies).keep(raw)),
  );
  return { objects, lastGood };
}

function kept<T>(object: T | undefined): T {
  if (object === undefined) throw new Error('it holds an object without name or uid');
  return object;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
