// Runs in the namespace of the API server: the stand-in, and what a test has done to it. Its writes are synchronous, so that those of one
// call reach the watches in one go.
import { serveLines } from '../../../src/cli/demo/lines.ts';
import { ApiServer, type KubernetesObject } from '../api-server.ts';

export interface Write {
  readonly verb: 'put' | 'remove';
  /** Of what is removed, kind, namespace and name count. */
  readonly object: KubernetesObject;
}

/** What it serves. */
export interface ApiCalls {
  /** The answer is a kubeconfig. */
  readonly listen: { readonly request: { readonly host: string }; readonly answer: string };
  readonly write: { readonly request: { readonly writes: readonly Write[] }; readonly answer: null };
  readonly removeAll: { readonly request: { readonly kinds: readonly string[] }; readonly answer: null };
  /** As when its process is dead. */
  readonly refuse: { readonly request: { readonly on: boolean }; readonly answer: null };
  /** As when its network is: connections stay, nothing comes. */
  readonly silence: { readonly request: { readonly on: boolean }; readonly answer: null };
}

const { promise: server, resolve: started } = Promise.withResolvers<ApiServer>();

serveLines<ApiCalls>({
  listen: async ({ host }) => {
    started(await ApiServer.start({ host }));
    return (await server).kubeconfig();
  },
  write: async ({ writes }) => {
    const api = await server;
    for (const write of writes) apply(api, write);
    return null;
  },
  removeAll: async ({ kinds }) => {
    const api = await server;
    for (const object of kinds.flatMap((kind) => api.objects(kind))) apply(api, { verb: 'remove', object });
    return null;
  },
  refuse: async ({ on }) => {
    await (await server).faults.refuse(on);
    return null;
  },
  silence: async ({ on }) => {
    (await server).faults.silence(on);
    return null;
  },
});

function apply(api: ApiServer, { verb, object }: Write): void {
  if (verb === 'put') api.put(object);
  else api.remove(object.kind, object.metadata.namespace, object.metadata.name);
}
