// Where benches run: the demo's lab with one pod, a fast upstream in the world, and one server at a time in the node. The server has core 0
// to itself, load and upstream share core 1; a machine with one core is refused.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { runCommand } from '../../src/cli/demo/command.ts';
import { Lab } from '../../src/cli/demo/lab.ts';
import { LOAD_CORE } from './cores.ts';

/** Where peers listen, an address of the node itself; namewall is asked at the cluster DNS, by interception. */
export const PEER_ADDRESS = '10.53.0.1';
export const UPSTREAM_ADDRESS = '192.0.2.54';

export class Stage {
  readonly lab: Lab;
  #upstream: ChildProcess | undefined;

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async build(pods: readonly string[] = ['load']): Promise<Stage> {
    if (availableParallelism() < 2) throw new Error('Benches need two cores: one for the server, one for the load');
    const lab = await Lab.build(pods.map((name) => ({ name, namespace: 'shop', labels: { app: 'shop' } })));
    await lab.onNode(['ip', 'addr', 'add', `${PEER_ADDRESS}/32`, 'dev', 'lo']);
    await runCommand(['ip', '-n', lab.worldNamespace, 'addr', 'add', `${UPSTREAM_ADDRESS}/24`, 'dev', 'eth0']);
    return new Stage(lab);
  }

  /** `fresh`: every answer has a new address; `same`: a name always has the same. */
  async startUpstream(ttlSeconds: number, mode: 'fresh' | 'same'): Promise<void> {
    await this.stopUpstream();
    const script = new URL('upstream.ts', import.meta.url).pathname;
    // Real-time: it shares a core with a load that never rests, and must not be what a server waits for.
    const argv = ['chrt', '-f', '3', process.execPath, script, UPSTREAM_ADDRESS, String(ttlSeconds), mode];
    this.#upstream = await startReady(this.lab.worldNamespace, LOAD_CORE, argv);
  }

  async stopUpstream(): Promise<void> {
    await end(this.#upstream);
    this.#upstream = undefined;
  }

  /** Runs a load program in the pod, on the load's core; answers its standard output. */
  load(argv: readonly string[], pod = 'load'): Promise<string> {
    return this.lab.onPod(this.lab.pod(pod), ['taskset', '-c', String(LOAD_CORE), ...argv]);
  }

  async remove(): Promise<void> {
    await this.stopUpstream();
    await this.lab.remove();
  }
}

/** Starts a program of ours that prints `ready` once it serves. */
export async function startReady(namespace: string, core: number, argv: readonly string[]): Promise<ChildProcess> {
  const child = start(namespace, core, argv);
  if (child.stdout === null) throw new Error('no standard output');
  await once(child.stdout, 'data');
  return child;
}

export function start(namespace: string, core: number, argv: readonly string[]): ChildProcess {
  const pinned = ['netns', 'exec', namespace, 'taskset', '-c', String(core), ...argv];
  return spawn('ip', pinned, { stdio: ['ignore', 'pipe', 'inherit'] });
}

export async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
