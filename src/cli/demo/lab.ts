// The lab: pods, a node and a small internet in network namespaces of one machine, with the real agent between them.
// It touches nothing outside its namespaces and its folder, and remove() leaves nothing of either.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { AgentProcess } from './agent-process.ts';
import { LabError, runCommand } from './command.ts';
import { addNamespaces, KEPT_MARK, labFolder, namespaceName, newLabId, orphanedLabs, removeLab } from './namespaces.ts';
import { LabPod, type PodSpec } from './pod.ts';
import { CLUSTER_DNS, UPSTREAM, wire } from './topology.ts';
import { World } from './world.ts';

const FIRST_POD = 7; // 10.0.1.7, fd00:10:1::7
const MOST_PODS = 200;

type Sections = Readonly<Record<string, string | number | readonly string[] | Readonly<Record<string, unknown>>>>;

export interface AgentSettings {
  /** Policy files or folders, relative to the working directory. */
  readonly policies: readonly string[];
  readonly lifetimes?: { readonly minTtl?: string; readonly maxTtl?: string; readonly grace?: string };
  readonly whenDown?: 'closed' | 'bypass';
  /** Default: `audit.jsonl` in the lab's folder. */
  readonly auditFile?: string;
  /** Further settings of namewall.yaml; a section (`dns`, `lifetimes` …) is merged with the lab's, its own keys win. */
  readonly overrides?: Sections;
}

export class Lab {
  readonly id: string;
  /** Configuration, agent.log and audit.jsonl. */
  readonly folder: string;
  readonly nodeNamespace: string;
  readonly worldNamespace: string;
  readonly pods: readonly LabPod[];
  readonly world: World;
  #agent: AgentProcess | null = null;
  readonly #onExit = (): void => removeLab(this.id);

  private constructor(id: string, pods: readonly LabPod[], world: World) {
    this.id = id;
    this.folder = labFolder(id);
    this.nodeNamespace = namespaceName('node', id);
    this.worldNamespace = namespaceName('world', id);
    this.pods = pods;
    this.world = world;
    process.once('exit', this.#onExit);
  }

  /** Makes the namespaces, wires them and starts the world's servers and the pods' probes; first removes what killed labs left. */
  static async build(specs: readonly PodSpec[]): Promise<Lab> {
    if (specs.length > MOST_PODS)
      throw new LabError('address-range-full', `Cannot make ${specs.length} pods: at most ${MOST_PODS}`);
    for (const abandoned of orphanedLabs().abandoned) removeLab(abandoned);
    const id = newLabId();
    try {
      return await Lab.#buildAs(id, specs);
    } catch (error) {
      removeLab(id);
      throw error;
    }
  }

  static async #buildAs(id: string, specs: readonly PodSpec[]): Promise<Lab> {
    mkdirSync(labFolder(id), { mode: 0o700 }); // refuses one that somebody else put there
    const node = namespaceName('node', id);
    const worldNamespace = namespaceName('world', id);
    const addresses = specs.map((spec, i) => ({
      namespace: namespaceName(spec.name, id),
      interface: `veth-${spec.name}`,
      v4: `10.0.1.${FIRST_POD + i}`,
      v6: `fd00:10:1::${(FIRST_POD + i).toString(16)}`,
    }));
    await addNamespaces([node, worldNamespace, ...addresses.map((address) => address.namespace)]);
    await wire(node, worldNamespace, addresses);
    const world = await World.start(worldNamespace);
    const pods = specs.flatMap((spec, i) => (addresses[i] === undefined ? [] : [new LabPod(spec, addresses[i])]));
    return new Lab(id, pods, world);
  }

  pod(name: string): LabPod {
    const found = this.pods.find((pod) => pod.spec.name === name);
    if (found === undefined) throw new LabError('child-failed', `No pod "${name}" in this lab`);
    return found;
  }

  get agentPid(): number | undefined {
    return this.#agent?.pid;
  }

  get agentLogFile(): string {
    return join(this.folder, 'agent.log');
  }

  /** Writes clients.yaml (every pod of the lab) and namewall.yaml; answers the latter's path. */
  configure(settings: AgentSettings): string {
    const configFile = join(this.folder, 'namewall.yaml');
    const clients = this.pods.map(({ spec, address }) => ({
      namespace: spec.namespace,
      name: spec.name,
      labels: spec.labels,
      addresses: [address.v4, address.v6],
      interface: address.interface,
    }));
    writeFileSync(join(this.folder, 'clients.yaml'), stringify({ clients }));
    const own: Sections = {
      clients: 'clients.yaml',
      policies: settings.policies.map((path) => resolve(path)),
      dns: {
        servers: [CLUSTER_DNS.v4, CLUSTER_DNS.v6],
        upstreams: [UPSTREAM.v4],
        whenDown: settings.whenDown ?? 'closed',
      },
      intercept: 'namespaces',
      lifetimes: { minTtl: '1s', maxTtl: '1h', grace: '1s', ...settings.lifetimes },
      audit: { file: settings.auditFile ?? join(this.folder, 'audit.jsonl') },
    };
    writeFileSync(configFile, stringify(merge(own, settings.overrides ?? {})));
    return configFile;
  }

  /** Starts the agent with the configuration that was written last; resolves when it serves. */
  async startAgent(): Promise<void> {
    this.#agent = await AgentProcess.start(this.nodeNamespace, join(this.folder, 'namewall.yaml'), this.agentLogFile);
  }

  /** Resolves when the process is gone. SIGTERM is how an operator stops it. */
  async killAgent(signal: NodeJS.Signals): Promise<void> {
    await this.#agent?.kill(signal);
  }

  isAgentRunning(): boolean {
    return this.#agent?.isRunning() ?? false;
  }

  /** How the agent that was started last has ended; undefined when none was. */
  agentExit(): ReturnType<AgentProcess['ending']> | undefined {
    return this.#agent?.ending();
  }

  /** Runs a program in the node's namespace and answers its standard output, for example `['nft', 'list', 'ruleset']`. */
  onNode(argv: readonly string[], input = ''): Promise<string> {
    return runCommand(['ip', 'netns', 'exec', this.nodeNamespace, ...argv], input);
  }

  /** Runs a program in a pod's namespace. */
  onPod(pod: LabPod, argv: readonly string[], input = ''): Promise<string> {
    return runCommand(['ip', 'netns', 'exec', pod.address.namespace, ...argv], input);
  }

  /** Leaves world and agent running when this process ends, until someone removes the lab. The probes end. */
  async keep(): Promise<void> {
    writeFileSync(join(this.folder, KEPT_MARK), '');
    process.off('exit', this.#onExit);
    await Promise.all(this.pods.map((pod) => pod.end()));
    await this.world.outlive();
    this.#agent?.release();
  }

  /** Ends the lab's processes, then removes its namespaces and its folder. */
  async remove(): Promise<void> {
    process.off('exit', this.#onExit);
    await Promise.all([this.#agent?.kill('SIGKILL'), this.world.end(), ...this.pods.map((pod) => pod.end())]);
    removeLab(this.id);
  }
}

function merge(own: Sections, overrides: Sections): Sections {
  const merged = Object.entries(overrides).map(([key, value]) => {
    const section = own[key];
    return [key, isSection(section) && isSection(value) ? { ...section, ...value } : value] as const;
  });
  return { ...own, ...Object.fromEntries(merged) };
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
