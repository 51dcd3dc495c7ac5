// The API server stand-in: a real HTTP server with the objects that a test puts into it. It answers as kube-apiserver does or refuses, and
// must never be kinder to a client than the real one.
import { stringify } from 'yaml';
import { Faults } from './api-server/faults.ts';
import { Listener } from './api-server/listener.ts';
import type { KubernetesObject } from './api-server/object.ts';
import type { Exchange } from './api-server/reply.ts';
import { apiVersionOf, resourceOfKind, RESOURCES } from './api-server/resources.ts';
import type { Resource } from './api-server/resources.ts';
import { serve } from './api-server/serve.ts';
import type { ApiRequest, ServerView } from './api-server/serve.ts';
import { isFor } from './api-server/setting.ts';
import { Store } from './api-server/store.ts';
import type { Watch } from './api-server/watch.ts';

export type { KubernetesObject } from './api-server/object.ts';
export type { ApiRequest } from './api-server/serve.ts';

export class ApiServer {
  /** In the order of their arrival; without those to paths that are no resource's. */
  readonly requests: ApiRequest[] = [];
  readonly faults: Faults;
  readonly #store = new Store();
  readonly #listener: Listener;
  readonly #missing = new Set<string>();
  readonly #watches = new Set<Watch>();
  readonly #underWay = new Map<Exchange, string>();
  #tokens = 1;

  /** Any free port when none is given. */
  static async start({ host = '127.0.0.1', port = 0 }: { host?: string; port?: number } = {}): Promise<ApiServer> {
    const server = new ApiServer(host, port);
    await server.#listener.open();
    return server;
  }

  private constructor(host: string, port: number) {
    this.faults = new Faults({
      dropConnections: (resource) => this.#drop(resource),
      refuse: (on) => (on ? this.#listener.close() : this.#listener.reopen()),
      compact: () => this.#store.compact(),
      rotateToken: () => this.#rotateToken(),
      sendBookmarks: (resource) => this.#eachWatch(resource, (watch) => watch.bookmark()),
      expireWatches: (resource) => this.#eachWatch(resource, (watch) => watch.expire()),
    });
    this.#listener = new Listener(host, port, (exchange) => void serve(this.#view(), exchange));
  }

  get url(): string {
    return this.#listener.url;
  }

  /** The bearer token that it wants. */
  get token(): string {
    return `token-${this.#tokens}`;
  }

  kubeconfig(): string {
    // client-node sends a token over plain HTTP only when told not to verify.
    const cluster = { server: this.url, 'insecure-skip-tls-verify': true };
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'stand-in', cluster }],
      users: [{ name: 'test', user: { token: this.token } }],
      contexts: [{ name: 'test', context: { cluster: 'stand-in', user: 'test' } }],
      'current-context': 'test',
    });
  }

  /** Creates or replaces, and tells the watches. Throws for an object that the real server would not have. */
  put(object: KubernetesObject): KubernetesObject {
    const resource = resourceOfKind(object.kind);
    const { name, namespace } = object.metadata;
    const refuse = (why: string): never => {
      throw new Error(`Cannot put ${object.kind} "${name}": ${why}`);
    };
    if (object.apiVersion !== apiVersionOf(resource))
      refuse(`apiVersion "${object.apiVersion}" is not "${apiVersionOf(resource)}"`);
    if (resource.isNamespaced !== (namespace !== undefined))
      refuse(`namespace "${namespace}" does not go with its scope`);
    if (!this.#isInstalled(resource)) refuse('its resource is not installed');
    return this.#store.put(resource, object);
  }

  /** Removes at once, as the end of a graceful deletion, and tells the watches. Throws when it is not there. */
  remove(kind: string, namespace: string | undefined, name: string): void {
    this.#store.remove(resourceOfKind(kind), namespace === undefined ? { name } : { namespace, name });
  }

  objects(kind: string): readonly KubernetesObject[] {
    return this.#store.list(resourceOfKind(kind)).map(([, object]) => object);
  }

  /** Takes custom resources away, by group or plural, as when their definitions are deleted: objects, watches, then the path itself. */
  uninstall(groupOrResource: string): void {
    for (const resource of customResources(groupOrResource)) {
      for (const { kind, metadata } of this.objects(resource.kind))
        this.remove(kind, metadata.namespace, metadata.name);
      this.#eachWatch(resource.resource, (watch) => watch.end());
      this.#missing.add(resource.resource);
    }
  }

  install(groupOrResource: string): void {
    for (const { resource } of customResources(groupOrResource)) this.#missing.delete(resource);
  }

  async close(): Promise<void> {
    await this.#listener.close();
  }

  #view(): ServerView {
    return {
      store: this.#store,
      faults: this.faults,
      token: this.token,
      isInstalled: (resource) => this.#isInstalled(resource),
      arrived: (request, exchange) => {
        this.requests.push(request);
        this.#underWay.set(exchange, request.resource);
        exchange.response.on('close', () => this.#underWay.delete(exchange));
      },
      opened: (watch, { response }) => {
        this.#watches.add(watch);
        response.on('close', () => this.#watches.delete(watch));
      },
    };
  }

  #isInstalled({ resource }: Resource): boolean {
    return !this.#missing.has(resource);
  }

  #eachWatch(resource: string | undefined, act: (watch: Watch) => void): void {
    for (const watch of this.#watches) if (isFor(resource, watch.resource)) act(watch);
  }

  #drop(resource: string | undefined): void {
    if (resource === undefined) return this.#listener.drop();
    for (const [{ request }, carried] of this.#underWay) if (carried === resource) request.socket.destroy();
  }

  #rotateToken(): string {
    this.#tokens += 1;
    return this.token;
  }
}

function customResources(groupOrResource: string): Resource[] {
  const found = RESOURCES.filter((each) => each.isCustom && [each.group, each.resource].includes(groupOrResource));
  if (found.length === 0) throw new Error(`Cannot find custom resources of "${groupOrResource}"`);
  return found;
}
