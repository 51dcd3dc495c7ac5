// A cluster in network namespaces: two nodes with the real agent, their pods, DNS, a small internet and the API server stand-in. It touches
// nothing outside its namespaces and its folder, and remove() leaves nothing of either.
import { mkdirSync } from 'node:fs';
import { LineChild } from '../../../src/cli/demo/lines.ts';
import {
  addNamespaces,
  labFolder,
  namespaceName,
  newLabId,
  orphanedLabs,
  removeLab,
} from '../../../src/cli/demo/namespaces.ts';
import { LabPod, type PodSpec } from '../../../src/cli/demo/pod.ts';
import { World } from '../../../src/cli/demo/world.ts';
import type { KubernetesObject } from '../api-server.ts';
import type { ApiCalls, Write } from './api-child.ts';
import { ClusterNode } from './cluster-node.ts';
import { API_ADDRESS, nodeNames, podAddresses, wireCluster, type NodeName } from './cluster-wires.ts';

const FIRST_POD = 7;

export interface PlacedPod extends PodSpec {
  readonly node: NodeName;
}

export class ClusterLab {
  /** The internet and the first endpoint of the cluster DNS; the second endpoint, which may give other answers. */
  readonly world: World;
  readonly spare: World;
  readonly #id: string;
  readonly #api: LineChild<ApiCalls>;
  readonly #nodes: readonly ClusterNode[];
  readonly #pods: readonly LabPod[];
  readonly #onExit = (): void => removeLab(this.#id);

  private constructor(id: string, parts: Pick<ClusterLab, 'world' | 'spare'> & Parts) {
    this.#id = id;
    this.world = parts.world;
    this.spare = parts.spare;
    this.#api = parts.api;
    this.#nodes = parts.nodes;
    this.#pods = parts.pods;
    process.once('exit', this.#onExit);
  }

  /** Makes and wires the namespaces and starts all but the agents. The API server has no objects yet. */
  static async build(specs: readonly PlacedPod[]): Promise<ClusterLab> {
    for (const abandoned of orphanedLabs().abandoned) removeLab(abandoned);
    const id = newLabId();
    try {
      return await ClusterLab.#buildAs(id, specs);
    } catch (error) {
      removeLab(id);
      throw error;
    }
  }

  static async #buildAs(id: string, specs: readonly PlacedPod[]): Promise<ClusterLab> {
    mkdirSync(labFolder(id), { mode: 0o700 });
    const of = (role: string): string => namespaceName(role, id);
    const placed = specs.map((spec, i) => ({
      spec,
      node: spec.node,
      address: {
        namespace: of(spec.name),
        interface: `veth-${spec.name}`,
        ...podAddresses(spec.node, FIRST_POD + i),
      },
    }));
    const nodes = { 'worker-1': of('node1'), 'worker-2': of('node2') };
    const wires = { switch: of('switch'), world: of('world'), spare: of('spare'), api: of('api'), nodes, pods: placed };
    const { switch: hub, world, spare, api } = wires;
    await addNamespaces([
      hub,
      world,
      spare,
      api,
      ...Object.values(nodes),
      ...placed.map((pod) => pod.address.namespace),
    ]);
    await wireCluster(wires);
    const server = new LineChild<ApiCalls>(api, new URL('./api-child.ts', import.meta.url));
    const pods = placed.map(({ spec, address }) => new LabPod(spec, address));
    const [kubeconfig, ...worlds] = await Promise.all([
      server.call('listen', { host: API_ADDRESS }),
      World.start(world),
      World.start(spare),
    ]);
    return new ClusterLab(id, {
      world: worlds[0],
      spare: worlds[1],
      api: server,
      nodes: nodeNames().map((name) => new ClusterNode(name, nodes[name], labFolder(id), kubeconfig)),
      pods,
    });
  }

  pod(name: string): LabPod {
    return this.#pods.find(({ spec }) => spec.name === name) ?? missing(`pod "${name}"`);
  }

  get pods(): readonly LabPod[] {
    return this.#pods;
  }

  node(name: NodeName): ClusterNode {
    return this.#nodes.find((node) => node.name === name) ?? missing(`node "${name}"`);
  }

  async startAgents(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.startAgent()));
  }

  /** Creates or replaces, in one go. */
  put(...objects: readonly KubernetesObject[]): Promise<unknown> {
    return this.write(...objects.map((object): Write => ({ verb: 'put', object })));
  }

  delete(...objects: readonly KubernetesObject[]): Promise<unknown> {
    return this.write(...objects.map((object): Write => ({ verb: 'remove', object })));
  }

  /** In this order, and before anybody can read. */
  write(...writes: readonly Write[]): Promise<unknown> {
    return this.#api.call('write', { writes });
  }

  deleteAll(...kinds: readonly string[]): Promise<unknown> {
    return this.#api.call('removeAll', { kinds });
  }

  /** How the API server is from now on away: `refuse` as when its process is dead, `silence` as when its network is. */
  takeApiAway(how: 'refuse' | 'silence'): Promise<unknown> {
    return this.#api.call(how, { on: true });
  }

  async bringApiBack(): Promise<void> {
    await this.#api.call('silence', { on: false });
    await this.#api.call('refuse', { on: false });
  }

  /** Ends the lab's processes, then removes its namespaces and its folder. */
  async remove(): Promise<void> {
    process.off('exit', this.#onExit);
    const children = [this.world, this.spare, this.#api, ...this.#pods];
    await Promise.all([
      ...this.#nodes.map((node) => node.killAgent('SIGKILL')),
      ...children.map((child) => child.end()),
    ]);
    removeLab(this.#id);
  }
}

interface Parts {
  readonly api: LineChild<ApiCalls>;
  readonly nodes: readonly ClusterNode[];
  readonly pods: readonly LabPod[];
}

function missing(what: string): never {
  throw new Error(`There is no ${what} in this lab`);
}
