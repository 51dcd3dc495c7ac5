// The real agent as a process in the node's namespace: started from its command line, told to be ready by its log, killed.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './command.ts';

const MAIN = new URL('../../main.ts', import.meta.url).pathname;
const READY_DEADLINE_MS = 15_000; // a loaded two-core machine needs about 1,000
const POLL_MS = 10;
const LINES_SHOWN = 15;

export class AgentProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;

  private constructor(child: ChildProcess, logFile: string) {
    this.#child = child;
    this.#logFile = logFile;
  }

  /** Starts `namewall run` and waits until it serves. Its output is appended to `logFile`. Throws LabError. */
  static async start(namespace: string, configFile: string, logFile: string): Promise<AgentProcess> {
    // A file, not a pipe: the agent of a lab that is kept must not die when nobody reads what it says.
    const log = openSync(logFile, 'a');
    const before = statSync(logFile).size;
    const argv = ['netns', 'exec', namespace, process.execPath, MAIN, 'run', '--config', configFile];
    const child = spawn('ip', argv, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    const agent = new AgentProcess(child, logFile);
    await agent.#waitUntilReady(before);
    return agent;
  }

  isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ended; both null while it runs. */
  ending(): { readonly code: number | null; readonly signal: NodeJS.Signals | null } {
    return { code: this.#child.exitCode, signal: this.#child.signalCode };
  }

  /** Sends `signal` and waits until the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning()) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    await gone;
  }

  /** Lets the agent live on when this process ends. */
  release(): void {
    this.#child.unref();
  }

  async #waitUntilReady(logOffset: number): Promise<void> {
    const deadline = performance.now() + READY_DEADLINE_MS;
    while (performance.now() < deadline) {
      const lines = readFileSync(this.#logFile).subarray(logOffset).toString('utf8').split('\n');
      if (lines.some(saysReady)) return;
      if (!this.isRunning()) throw this.#notReady('ended', lines);
      await sleep(POLL_MS);
    }
    const lines = readFileSync(this.#logFile).subarray(logOffset).toString('utf8').split('\n');
    await this.kill('SIGKILL');
    throw this.#notReady(`is not ready after ${READY_DEADLINE_MS / 1000} s`, lines);
  }

  #notReady(what: string, lines: readonly string[]): LabError {
    const tail = lines.filter(Boolean).slice(-LINES_SHOWN).join('\n');
    return new LabError('agent-not-ready', `The agent ${what}; its last words:\n${tail || '(none)'}`);
  }
}

function saysReady(line: string): boolean {
  return /\bready\b/.test(line) && !/\bnot ready\b/.test(line);
}
