// One node of the cluster lab: its configuration, its agent as a process, and what that says and does in the kernel.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { AgentProcess } from '../../../src/cli/demo/agent-process.ts';
import { runCommand } from '../../../src/cli/demo/command.ts';
import type { NodeName } from './cluster-wires.ts';

const LINES_SHOWN = 12;

/** A line of the audit log, as far as tests look at it. */
export interface AuditLine {
  readonly event: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string } | null;
  readonly qname?: string;
  readonly addresses?: readonly string[];
}

export class ClusterNode {
  readonly name: NodeName;
  readonly #namespace: string;
  readonly #folder: string;
  #agent: AgentProcess | undefined;

  /** Writes the configuration into a folder of its own below `folder`. */
  constructor(name: NodeName, namespace: string, folder: string, kubeconfig: string) {
    this.name = name;
    this.#namespace = namespace;
    this.#folder = join(folder, name);
    mkdirSync(this.#folder);
    writeFileSync(join(this.#folder, 'kubeconfig'), kubeconfig);
    const config = {
      mode: 'node',
      kubernetes: { nodeName: name, kubeconfig: 'kubeconfig', state: 'state' },
      // Answers are forgotten soon and grants last longer than any test: what closes was closed, and did not expire.
      lifetimes: { minTtl: '1s', grace: '10m' },
      audit: { file: 'audit.jsonl' },
      health: 'health.sock',
    };
    writeFileSync(this.#configFile, stringify(config));
  }

  /** Resolves when the agent is ready. */
  async startAgent(): Promise<void> {
    this.#agent = await AgentProcess.start(this.#namespace, this.#configFile, this.#logFile);
  }

  /** Resolves when the process is gone. */
  async killAgent(signal: NodeJS.Signals): Promise<void> {
    await this.#agent?.kill(signal);
  }

  log(): string {
    return readText(this.#logFile);
  }

  /** For the reader of a test that failed. */
  lastWords(): string {
    return [`${this.name}:`, ...this.log().split('\n').slice(-LINES_SHOWN)].join('\n');
  }

  audit(): readonly AuditLine[] {
    const lines = readText(join(this.#folder, 'audit.jsonl')).split('\n').slice(0, -1); // the last one may be half written
    return lines.map((line) => JSON.parse(line) as AuditLine); // our own agent wrote it
  }

  /** The last good state, as it is on disk. */
  savedState(): string {
    const folder = join(this.#folder, 'state');
    const files = existsSync(folder) ? readdirSync(folder) : [];
    return files.map((file) => readText(join(folder, file))).join('\n');
  }

  /** Our table as nft prints it. */
  /** Without the sets that packets fill: what they counted of an address outlives its pod, and opens nothing. */
  async kernelTable(): Promise<string> {
    const table = await runCommand([
      'ip',
      'netns',
      'exec',
      this.#namespace,
      'nft',
      'list',
      'table',
      'inet',
      'namewall',
    ]);
    return table.replaceAll(
      /\tset (?:denied_of|log_rate|query_rate|translated|cut|cut_peers)[46] \{[^]*?\n\t\}\n/g,
      '',
    );
  }

  get #configFile(): string {
    return join(this.#folder, 'namewall.yaml');
  }

  get #logFile(): string {
    return join(this.#folder, 'agent.log');
  }
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
