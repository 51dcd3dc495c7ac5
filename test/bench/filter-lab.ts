// Where `filter` measures one setup: a pod, a node with the setup and a world, in network namespaces of their own. Everything that forwards runs
// on the server's core, since the kernel carries a veth packet on the core that sent it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { runCommand } from '../../src/cli/demo/command.ts';
import { addNamespaces, namespaceName, newLabId, removeLab } from '../../src/cli/demo/namespaces.ts';
import { wire, writeSysctls } from '../../src/cli/demo/topology.ts';
import { LOAD_CORE, SERVER_CORE } from './cores.ts';
import { LOAD, POD } from './filter-setups.ts';
import type { Setup } from './filter-setups.ts';
import { startReady } from './stage.ts';

const ACCEPT = new URL('filter-accept.ts', import.meta.url).pathname;
const CONNECT = new URL('filter-connect.ts', import.meta.url).pathname;
const SLICE_MS = 100;
// A rule in a chain that no packet passes: it makes the kernel track connections, as kube-proxy does on every node, and costs nothing itself.
const TRACKING = 'table inet tracking { chain unused { ct state new; }; }\n';
// So many ports and destinations that none comes twice in a slice, and so few that the entries of all labs are far below nf_conntrack_max.
const PORT_RANGE = '20000 20099';

export interface Slice {
  /** Connections. */
  readonly perSecond: number;
  readonly failed: number;
  /** Jiffies of the measured core. */
  readonly idle: number;
  readonly total: number;
}

interface Client {
  readonly orders: Writable;
  readonly answers: AsyncIterator<string>;
}

export class FilterLab {
  readonly #id = newLabId();
  readonly #setup: Setup;
  #client: Client | undefined;

  private constructor(setup: Setup) {
    this.#setup = setup;
  }

  static async build(setup: Setup): Promise<FilterLab> {
    const lab = new FilterLab(setup);
    try {
      await lab.#build();
    } catch (error) {
      lab.remove();
      throw error;
    }
    return lab;
  }

  get name(): string {
    return this.#setup.name;
  }

  async #build(): Promise<void> {
    const [node, world] = [namespaceName('node', this.#id), namespaceName('world', this.#id)];
    const pod = { ...POD, namespace: namespaceName('pod', this.#id) };
    await addNamespaces([node, world, pod.namespace]);
    await wire(node, world, [pod]);
    await writeSysctls(pod.namespace, [`net/ipv4/ip_local_port_range=${PORT_RANGE}`]);
    await writeSysctls(world, ['net/core/somaxconn=65535']);
    await inNamespace(node, ['nft', '-f', '-'], TRACKING);
    await writeSysctls(node, ['net/netfilter/nf_conntrack_tcp_timeout_close=1']);
    await inNamespace(node, this.#setup.program, this.#setup.text);
    await startReady(world, LOAD_CORE, [process.execPath, ACCEPT]);
    this.#client = startClient(pod.namespace);
  }

  /** Throws when the setup refuses a connection: then something else was measured. */
  async measure(): Promise<Slice> {
    this.#client?.orders.write('\n');
    const line = await this.#client?.answers.next();
    if (line === undefined || line.done === true) throw new Error(`${this.name}: the load has ended`);
    const slice = JSON.parse(line.value) as Slice; // filter-connect.ts prints nothing else
    if (slice.failed > 0) throw new Error(`${this.name}: ${slice.failed} connections failed`);
    return slice;
  }

  remove(): void {
    removeLab(this.#id);
  }
}

function startClient(namespace: string): Client {
  const load = [CONNECT, LOAD.first, String(LOAD.destinations), String(SLICE_MS)];
  const pinned = ['netns', 'exec', namespace, 'taskset', '-c', String(SERVER_CORE), process.execPath, ...load];
  const { stdin, stdout } = spawn('ip', pinned, { stdio: ['pipe', 'pipe', 'inherit'] });
  stdin.on('error', () => stdin.destroy()); // its answers end, too
  return { orders: stdin, answers: createInterface(stdout)[Symbol.asyncIterator]() };
}

function inNamespace(namespace: string, argv: readonly string[], input = ''): Promise<string> {
  return runCommand(['ip', 'netns', 'exec', namespace, ...argv], input);
}
