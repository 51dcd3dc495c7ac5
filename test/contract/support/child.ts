// A program that runs inside a namespace (a process cannot enter one itself), driven by lines of JSON: a list of calls each, answered by
// a list of answers.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './namespace.ts';

export class Child<Call> {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** `program` is the file URL of a program that calls `answerCalls`. */
  constructor(namespace: Namespace, program: string) {
    this.#process = namespace.spawn(process.execPath, fileURLToPath(program));
    const { stdout } = this.#process;
    if (stdout === null) throw new Error('the child has no output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Makes the calls in order and answers what each answered. */
  async call(...calls: readonly Call[]): Promise<unknown[]> {
    this.#process.stdin?.write(`${JSON.stringify(calls)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the child ended');
    const answers: unknown[] = JSON.parse(line.value); // written by answerCalls
    return answers;
  }

  /** The answer of the last of these calls. */
  async last(...calls: readonly Call[]): Promise<unknown> {
    return (await this.call(...calls)).at(-1);
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin?.end();
    await ended;
  }
}

/** The child's side: answers every call until the input ends, then ends the process. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- JSON has no type: the program that is called names it
export async function answerCalls<Call>(answer: (call: Call) => unknown): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const calls: Call[] = JSON.parse(line); // written by Child
    const answers: unknown[] = [];
    for (const call of calls) answers.push((await answer(call)) ?? null);
    process.stdout.write(`${JSON.stringify(answers)}\n`);
  }
  process.exit(0);
}
