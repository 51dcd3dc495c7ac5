// Calls to a child process in a namespace: one JSON object a line, requests on its stdin, answers on its stdout.
// A child ends when its stdin ends, so that nothing outlives a lab whose maker was killed.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { LabError } from './command.ts';

/** What a child can be asked: operation → its request and its answer. */
export type Calls<T> = { readonly [Op in keyof T]: { readonly request: object | null; readonly answer: unknown } };
export type Handlers<T extends Calls<T>> = {
  readonly [Op in keyof T]: (request: T[Op]['request']) => Answer<T[Op]['answer']>;
};
type Answer<T> = T | Promise<T>;

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** The lab's side: a child that runs `script` in `namespace`. */
export class LineChild<T extends Calls<T>> {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #complaint = '';

  constructor(namespace: string, script: URL) {
    // The namespace is an argument only so that `ps` tells whose child this is. Detached: Ctrl-C at the terminal reaches the
    // lab alone, which then ends its children in order.
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script.pathname, namespace], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle(line));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#complaint += text));
    this.#child.stdin.on('error', () => undefined); // 'close' below tells every caller
    this.#child.on('error', (error) => (this.#complaint += error.message));
    this.#child.on('close', () => this.#failAll());
  }

  call<Op extends keyof T & string>(op: Op, request: T[Op]['request']): Promise<T[Op]['answer']> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, op, request })}\n`);
      if (this.#hasEnded()) this.#failAll();
    });
  }

  /** Lets the child live on when this process ends. It must have been told so itself (see serveLines). */
  release(): void {
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
  }

  async end(): Promise<void> {
    if (this.#hasEnded()) return;
    const closed = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await closed;
  }

  #settle(line: string): void {
    // Our own child wrote the line, with the shape that serveLines gives it.
    const { id, answer, error } = JSON.parse(line) as { id: number; answer?: unknown; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new LabError('child-failed', error));
  }

  #failAll(): void {
    const error = new LabError(
      'child-failed',
      `A child process of the lab ended: ${this.#complaint.trim() || 'no message'}`,
    );
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

export interface LineService {
  /** From now on the process goes on without its maker. */
  outlive(): void;
}

/** The child's side: answers calls until stdin ends. */
export function serveLines<T extends Calls<T>>(handlers: Handlers<T>): LineService {
  let endsWithInput = true;
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => void serveLine(handlers, line));
  input.on('close', () => {
    if (endsWithInput) process.kill(process.pid, 'SIGKILL'); // it holds nothing that would have to be put in order
  });
  return { outlive: () => void (endsWithInput = false) };
}

async function serveLine<T extends Calls<T>>(handlers: Handlers<T>, line: string): Promise<void> {
  // LineChild wrote the line.
  const { id, op, request } = JSON.parse(line) as { id: number; op: keyof T; request: T[keyof T]['request'] };
  try {
    respond({ id, answer: await handlers[op](request) });
  } catch (error) {
    respond({ id, error: String(error) });
  }
}

function respond(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
