// Our side of the probe: a child process in a network namespace, asked by one JSON object a line. It ends when we do.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { threadEntry } from '../../agent/thread-entry.ts';
import { CodedError } from '../../base/errors.ts';
import type { ProbeCalls } from './probe-calls.ts';

const PROBE = fileURLToPath(threadEntry(new URL('./probe.ts', import.meta.url), import.meta.url));

/** The probe is gone, could not be started, or failed inside. */
export class ProbeError extends CodedError<'probe-ended' | 'probe-failed'> {}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class ProbeChild {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #complaint = '';
  #hasEnded = false;

  /** `path` of a network namespace, or `own` for the one that we are in. */
  constructor(path: string) {
    const probe = [process.execPath, PROBE];
    const [program = '', ...args] = path === 'own' ? probe : ['nsenter', `--net=${path}`, '--', ...probe];
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle(line));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#complaint += text));
    this.#child.stdin.on('error', () => undefined); // 'close' below tells every caller
    this.#child.on('error', (error) => (this.#complaint += error.message));
    this.#child.on('close', () => this.#failAll());
  }

  call<Op extends keyof ProbeCalls>(op: Op, request: ProbeCalls[Op]['request']): Promise<ProbeCalls[Op]['answer']> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      // `as`: the probe answers each operation with its own type.
      this.#waiting.set(id, { resolve: (answer) => resolve(answer as ProbeCalls[Op]['answer']), reject });
      if (this.#hasEnded) this.#failAll();
      else this.#child.stdin.write(`${JSON.stringify({ id, op, request })}\n`);
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  #settle(line: string): void {
    // Our own child wrote the line, with the shape that serveLines (demo/lines.ts) gives it.
    const { id, answer, error } = JSON.parse(line) as { id: number; answer?: unknown; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new ProbeError('probe-failed', `Cannot probe: ${error}`));
  }

  #failAll(): void {
    this.#hasEnded = true;
    const why = this.#complaint.trim() || 'it ended without a message';
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new ProbeError('probe-ended', `Cannot run a probe in the network namespace: ${why}`));
    }
    this.#waiting.clear();
  }
}
