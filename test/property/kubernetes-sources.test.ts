// After any changes of the cluster and any faults of the API server, once it is quiet, the view is what the server has.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Cluster, type ClusterView } from '../../src/kubernetes/cluster.ts';
import type { KubernetesObject as Kept } from '../../src/kubernetes/objects.ts';
import { sourcesOf, type Source } from '../../src/kubernetes/sources.ts';
import { describe as describeCluster } from '../../src/kubernetes/view.ts';
import { PolicyHistory } from '../../src/policy/sources/kubernetes.ts';
import { ApiServer, type KubernetesObject } from '../kubernetes/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { QUICK, readableLog } from '../support/kubernetes-cluster.ts';
import {
  DNS_SERVICE,
  NODE,
  clusterPolicy,
  namespace,
  node,
  pod,
  policy,
  service,
  slice,
} from '../support/kubernetes-objects.ts';

const QUIET_DEADLINE_MS = 8000;
const sources = sourcesOf(NODE, DNS_SERVICE);

/** The view as it follows from the server's own objects, without a wire between. */
function wantedView(server: ApiServer): Omit<ClusterView, 'isStale'> {
  const all = <T extends Kept>(kind: string, { keep }: Source<T>): T[] =>
    server.objects(kind).flatMap((object) => keep(JSON.parse(JSON.stringify(object))) ?? []);
  const ofDns = ({ metadata }: KubernetesObject): boolean => metadata.namespace === DNS_SERVICE.namespace;
  expect(server.objects('Service').every(ofDns)).toBe(true); // so that the oracle needs no selectors
  const objects = {
    pods: all('Pod', sources.pods).map((object) => ({ object, arrival: 0 })),
    namespaces: all('Namespace', sources.namespaces),
    nodes: all('Node', sources.nodes),
    services: all('Service', sources.services),
    slices: all('EndpointSlice', sources.slices),
    policies: all('CiliumNetworkPolicy', sources.policies),
    clusterPolicies: all('CiliumClusterwideNetworkPolicy', sources.clusterPolicies),
  };
  return describeCluster(objects, new PolicyHistory(), NODE, DNS_SERVICE).facts;
}

class World {
  readonly server: ApiServer;
  readonly #folder = mkdtempSync(join(tmpdir(), 'namewall-property-'));
  readonly #log = readableLog().log;
  #agent: { readonly stop: AbortController; readonly starting: Promise<Cluster> } | undefined;
  #made = 0;

  constructor(server: ApiServer) {
    this.server = server;
  }

  static async open(): Promise<World> {
    const server = await ApiServer.start();
    server.faults.bookmarkEveryMs = 15;
    const world = new World(server);
    await world.restart();
    return world;
  }

  /** A new object has a uid of its own and is younger than all before it. */
  put(object: KubernetesObject): void {
    const { kind, metadata } = object;
    const isThere = (each: KubernetesObject): boolean =>
      each.metadata.name === metadata.name && each.metadata.namespace === metadata.namespace;
    const known = this.server.objects(kind).find(isThere)?.metadata;
    const created = new Date(Date.UTC(2026, 0, 1, 0, 0, ++this.#made)).toISOString();
    const identity = {
      uid: known?.uid ?? `uid-${this.#made}`,
      creationTimestamp: known?.['creationTimestamp'] ?? created,
    };
    this.server.put({ ...object, metadata: { ...metadata, ...identity } });
  }

  remove(kind: string, place: string | undefined, name: string): void {
    const isThere = ({ metadata }: KubernetesObject): boolean => metadata.name === name && metadata.namespace === place;
    if (this.server.objects(kind).some(isThere)) this.server.remove(kind, place, name);
  }

  /** As after a crash: from the file that was last written, and with the token of today. */
  async restart(): Promise<void> {
    await this.#stop();
    const kubeconfig = this.writeKubeconfig();
    const options = { kubeconfig, nodeName: NODE, dnsService: DNS_SERVICE, stateFolder: this.#folder };
    const timing = { ...QUICK, random: Math.random, listSilenceMs: 60, watchSilenceMs: 60, patienceMs: 10, saveMs: 1 };
    const stop = new AbortController();
    const listener = { changed: () => undefined, log: this.#log };
    this.#agent = { stop, starting: Cluster.start(options, listener, stop.signal, timing) };
    // Without a last state a start waits for the server, which may not answer before the end of the faults.
    await Promise.race([this.#agent.starting, sleep(20)]);
  }

  async #stop(): Promise<void> {
    this.#agent?.stop.abort();
    const cluster = await this.#agent?.starting.catch(() => undefined);
    cluster?.close();
  }

  writeKubeconfig(): string {
    const path = join(this.#folder, 'kubeconfig');
    writeFileSync(path, this.server.kubeconfig());
    return path;
  }

  /** Ends all faults and waits for the view that follows from the server's objects. */
  async settle(): Promise<void> {
    const { faults } = this.server;
    faults.silence(false);
    faults.authFailure(false);
    faults.duplicate(false);
    faults.reorder(false);
    faults.splitChunks(0);
    faults.bookmarks(true);
    await faults.refuse(false);
    const cluster = await this.#agent?.starting;
    if (cluster === undefined) throw new Error('Not started');
    const wanted = { ...wantedView(this.server), isStale: false };
    await eventually(() => expect(cluster.view()).toEqual(wanted), QUIET_DEADLINE_MS);
  }

  async close(): Promise<void> {
    await this.#stop();
    await this.server.close();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 }); // a state may be on its way into it
  }
}

type Step = (world: World) => unknown;
/** What it does, for the report of a failure. */
type NamedStep = readonly [name: string, step: Step];

const named = (name: string, step: Step): NamedStep => [name, step];
const index = fc.nat(3);
const place = fc.constantFrom('shop', 'bank');

const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ i: index, place, ip: index, app: index, phase: fc.constantFrom('Running', 'Running', 'Failed') })
      .map(({ i, place: where, ip, app, phase }) =>
        named(`pod ${i} of ${where} has address ${ip}, label ${app}, phase ${phase}`, (world) =>
          world.put(pod(`pod-${i}`, { namespace: where, ips: [`10.0.1.${ip}`], labels: { app: String(app) }, phase })),
        ),
      ),
  },
  fc
    .tuple(index, place)
    .map(([i, where]) => named(`no pod ${i} of ${where}`, (world) => world.remove('Pod', where, `pod-${i}`))),
  fc
    .tuple(place, index)
    .map(([where, i]) =>
      named(`namespace ${where} has label ${i}`, (world) => world.put(namespace(where, { team: String(i) }))),
    ),
  place.map((where) => named(`no namespace ${where}`, (world) => world.remove('Namespace', undefined, where))),
  fc.tuple(index, place, index, index).map(([i, where, n, app]) =>
    named(`policy ${i} of ${where} allows ${n} to ${app}`, (world) => {
      const names = i === 0 ? ['never..good'] : [`n${n}.example.org`];
      world.put(policy(`policy-${i}`, names, { app: String(app) }, where));
    }),
  ),
  fc
    .tuple(index, place)
    .map(([i, where]) =>
      named(`no policy ${i} of ${where}`, (world) => world.remove('CiliumNetworkPolicy', where, `policy-${i}`)),
    ),
  fc
    .tuple(index, index)
    .map(([i, n]) =>
      named(`clusterwide ${i} allows ${n}`, (world) => world.put(clusterPolicy(`wide-${i}`, [`n${n}.example.org`]))),
    ),
  index.map((i) =>
    named(`no clusterwide ${i}`, (world) => world.remove('CiliumClusterwideNetworkPolicy', undefined, `wide-${i}`)),
  ),
  fc.constant(named('the DNS Service', (world) => world.put(service(['10.96.0.10'])))),
  fc.constant(named('no DNS Service', (world) => world.remove('Service', 'kube-system', 'kube-dns'))),
  fc
    .tuple(index, fc.boolean())
    .map(([i, ready]) =>
      named(`endpoint ${i} is ready: ${ready}`, (world) =>
        world.put(slice(`slice-${i}`, [{ addresses: [`10.0.2.${i}`], conditions: { ready } }])),
      ),
    ),
  index.map((i) => named(`range ${i}`, (world) => world.put(node([`10.0.${i}.0/24`])))),
);

const flag = fc.boolean();
const resource = fc.constantFrom(undefined, 'pods', 'ciliumnetworkpolicies');

const fault = fc.oneof(
  resource.map((of) => named(`drop ${of}`, ({ server }) => server.faults.dropConnections(of))),
  fc
    .tuple(flag, resource)
    .map(([on, of]) => named(`silence ${of}: ${on}`, ({ server }) => server.faults.silence(on, of))),
  fc.constant(named('compact', ({ server }) => server.faults.compact())),
  resource.map((of) => named(`expire ${of}`, ({ server }) => server.faults.expireWatches(of))),
  fc.constantFrom('http' as const, 'in-stream' as const).map((how) =>
    named(`410 comes by ${how}`, ({ server }) => {
      server.faults.watchExpiry = how;
    }),
  ),
  flag.map((on) => named(`duplicate: ${on}`, ({ server }) => server.faults.duplicate(on))),
  flag.map((on) => named(`reorder: ${on}`, ({ server }) => server.faults.reorder(on))),
  fc
    .constantFrom(0, 1, 9, 64)
    .map((bytes) => named(`split: ${bytes}`, ({ server }) => server.faults.splitChunks(bytes))),
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(404, 410, 429, 500, 503, 504), resource)
    .map(([n, status, of]) =>
      named(`fail ${n} × ${status} ${of}`, ({ server }) =>
        server.faults.failNext(n, status, of === undefined ? {} : { resource: of }),
      ),
    ),
  resource.map((of) => named(`corrupt ${of}`, ({ server }) => server.faults.corruptNext(of))),
  resource.map((of) => named(`cut ${of}`, ({ server }) => server.faults.closeMidEvent(of))),
  flag.map((on) => named(`auth fails: ${on}`, ({ server }) => server.faults.authFailure(on))),
  fc.constant(
    named('rotate the token', (world) => {
      world.server.faults.rotateToken();
      world.writeKubeconfig();
    }),
  ),
  flag.map((on) => named(`bookmarks: ${on}`, ({ server }) => server.faults.bookmarks(on))),
  flag.map((on) => named(`refuse: ${on}`, ({ server }) => server.faults.refuse(on))),
  fc.constant(named('restart the agent', (world) => world.restart())),
);

const pause = fc.nat(8).map((ms) => named(`wait ${ms} ms`, () => sleep(ms)));

const steps = fc.array(
  fc.oneof({ weight: 6, arbitrary: change }, { weight: 3, arbitrary: fault }, { weight: 2, arbitrary: pause }),
  { maxLength: 40, size: 'max' },
);

test('after any changes and faults, and then quiet, the view is the server’s', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      steps.map((list) => ({ list, toString: () => list.map(([name]) => name).join('; ') })),
      async ({ list }) => {
        const world = await World.open();
        try {
          for (const [, step] of list) await step(world);
          await world.settle();
        } finally {
          await world.close();
        }
      },
    ),
    { numRuns: 40, interruptAfterTimeLimit: 15_000, endOnFailure: true },
  );
});
