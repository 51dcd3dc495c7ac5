// The lines of a .scn file. A statement is one line of words; `#` at a word's beginning starts a comment; the first comment is the title.

export interface Statement {
  readonly line: number;
  readonly verb: string;
  readonly words: readonly string[];
}

export interface Scenario {
  /** The rule that the scenario tests. */
  readonly title: string;
  readonly statements: readonly Statement[];
}

/** What a scenario says and the code does not do, or a statement that cannot be read. */
export class ScenarioError extends Error {}

// The longest first: `hold acks` before `hold`.
const TWO_WORD_VERBS = ['hold', 'release', 'fail', 'delete', 'restore', 'remove', 'no', 'fill', 'flush'];

export function parseScenario(text: string, file: string): Scenario {
  const lines = text.split('\n');
  const title = lines[0]?.startsWith('#') === true ? lines[0].replace(/^#+\s*/, '') : '';
  if (title === '') throw new ScenarioError(`${file}:1: Begin with a comment that states the rule`);
  const statements = lines.flatMap((line, i) => {
    const all = line
      .replace(/(^|\s)#.*$/, '')
      .trim()
      .split(/\s+/);
    const [first = '', second = ''] = all;
    if (first === '') return [];
    const isTwo = TWO_WORD_VERBS.includes(first) && second !== '';
    return [{ line: i + 1, verb: isTwo ? `${first} ${second}` : first, words: all.slice(isTwo ? 2 : 1) }];
  });
  return { title, statements };
}

/** Takes words one after the other. */
export class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#words.length;
  }

  peek(): string {
    return this.#words[this.#at] ?? '';
  }

  /** The next word; `what` names it in the message when there is none. */
  next(what: string): string {
    const word = this.#words[this.#at++];
    if (word === undefined) throw new Error(`Write ${what} at the end`);
    return word;
  }

  /** Takes the next word when it is this one. */
  skip(word: string): boolean {
    if (this.peek() !== word) return false;
    this.#at++;
    return true;
  }

  /** All that are left. */
  rest(): string[] {
    const rest = this.#words.slice(this.#at);
    this.#at = this.#words.length;
    return rest;
  }

  number(what: string): number {
    const word = this.next(what);
    const value = Number(word);
    if (!Number.isFinite(value)) throw new Error(`"${word}" is no number (${what})`);
    return value;
  }

  end(): void {
    if (!this.isEmpty) throw new Error(`"${this.peek()}" is not understood here`);
  }
}

/** `96s`, `500ms`, `2m`, `1h`. */
export function milliseconds(word: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(word);
  if (match === null) throw new Error(`"${word}" is no time: write 500ms, 96s, 2m or 1h`);
  const factor = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h']; // the pattern lists them
  return Number(match[1]) * factor;
}

/** Hexadecimal, in parts joined by commas; `61*64` is 64 times the byte 0x61. */
export function bytesOf(text: string): Uint8Array {
  const parts = text.split(',').map((part) => {
    const [, hex, times = '1'] = /^((?:[0-9a-fA-F]{2})*)(?:\*(\d+))?$/.exec(part) ?? [];
    if (hex === undefined) throw new Error(`"${part}" is not hexadecimal`);
    return Buffer.from(hex.repeat(Number(times)), 'hex');
  });
  return Uint8Array.from(Buffer.concat(parts));
}
