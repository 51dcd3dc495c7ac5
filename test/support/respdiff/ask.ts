// Asks questions of one server, from a namespace of its own choice, as plain messages over plain sockets.
import { LineChild } from '../../../src/cli/demo/lines.ts';
import type { Question } from './questions.ts';

/** What ask-child.ts serves. Messages are in hexadecimal; null: no answer in time. */
export interface AskCalls {
  readonly ask: {
    readonly request: { readonly server: string; readonly transport: 'udp' | 'tcp'; readonly message: string };
    readonly answer: string | null;
  };
}

const TOGETHER = 8; // as many connections as any server takes of one client

export class Asker {
  readonly #child: LineChild<AskCalls>;

  constructor(namespace: string) {
    this.#child = new LineChild(namespace, new URL('./ask-child.ts', import.meta.url));
  }

  /** One after the other, so that whatever is kept in a cache is there for the same questions in every run. */
  async askInTurn(server: string, questions: readonly Question[]): Promise<readonly (Buffer | undefined)[]> {
    const replies: (Buffer | undefined)[] = [];
    for (const question of questions) replies.push(await this.#ask(server, question));
    return replies;
  }

  /** Several at a time: some of them wait for replies that never come. */
  async askTogether(server: string, questions: readonly Question[]): Promise<readonly (Buffer | undefined)[]> {
    const replies: (Buffer | undefined)[] = [];
    let next = 0;
    const askOn = async (): Promise<void> => {
      for (let i = next++; i < questions.length; i = next++) replies[i] = await this.#ask(server, questions[i]!);
    };
    await Promise.all(Array.from({ length: TOGETHER }, askOn));
    return replies;
  }

  async #ask(server: string, { transport, message }: Question): Promise<Buffer | undefined> {
    const answer = await this.#child.call('ask', { server, transport, message: Buffer.from(message).toString('hex') });
    return answer === null ? undefined : Buffer.from(answer, 'hex');
  }

  async end(): Promise<void> {
    await this.#child.end();
  }
}
