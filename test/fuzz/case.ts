// A case: what happens to the world, step by step, and the text that it is kept as. A message is hexadecimal, in which blanks mean nothing and
// `c00c*300` is the word three hundred times.
import { CLIENTS, PODS } from './oracle/node.ts';

export type Step =
  /** A client of this name sends a datagram. */
  | { readonly verb: 'ask'; readonly client: string; readonly bytes: Uint8Array }
  /**
   * A server answers. `which` counts the questions that went upstream, from the last one back; its id is added to the message's own (so that 0000 is
   * the right one), and its spelling of the question is taken over where the question is the same.
   */
  | { readonly verb: 'answer'; readonly which: number; readonly bytes: Uint8Array }
  /** The same, but it arrives at another of our sockets to that server. */
  | { readonly verb: 'stray'; readonly which: number; readonly bytes: Uint8Array }
  /** Nobody sends it: the codec alone reads it, however long it is. */
  | { readonly verb: 'read'; readonly bytes: Uint8Array }
  | { readonly verb: 'wait'; readonly milliseconds: number }
  /** A pod is gone, with its address; or another one has it now. */
  | { readonly verb: 'leave' | 'join'; readonly pod: string }
  /** The next commits of grants are refused. */
  | { readonly verb: 'refuse'; readonly times: number }
  /**
   * `hold` … `release`: what comes between is read in one turn. `lock` … `unlock`: the kernel's lock is somebody else's. `overflow`: its next reports
   * are lost. `busy`: the next datagram cannot be sent at once. `damage` … `restore`: our table is gone. `settle`: all deadlines pass.
   */
  | { readonly verb: (typeof PLAIN_VERBS)[number] };

export const PLAIN_VERBS = [
  'hold',
  'release',
  'lock',
  'unlock',
  'overflow',
  'busy',
  'damage',
  'restore',
  'settle',
] as const;

export type Case = readonly Step[];

export class CaseError extends Error {}

export function writeCase(steps: Case): string {
  return `${steps.map(writeStep).join('\n')}\n`;
}

/** The same, for people: what comes often in a row is counted, so that a bomb stays readable. */
export function packCase(steps: Case): string {
  return writeCase(steps).replaceAll(/(?<= )[0-9a-f]+$/gm, (hex) =>
    hex.replaceAll(/((?:[0-9a-f]{2}){1,32}?)\1{9,}/g, (run, word: string, at: number) =>
      at % 2 === 0 ? ` ${word}*${run.length / word.length} ` : run,
    ),
  );
}

/** Throws CaseError with the line. `#` begins a comment. */
export function readCase(text: string): Case {
  return text.split('\n').flatMap((line, i) => {
    const [verb = '', ...words] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    if (verb === '') return [];
    try {
      return [readStep(verb, words)];
    } catch (error) {
      throw new CaseError(`line ${i + 1}: ${String(error)}`, { cause: error });
    }
  });
}

function writeStep(step: Step): string {
  switch (step.verb) {
    case 'ask':
      return `ask ${step.client} ${hexOf(step.bytes)}`;
    case 'answer':
    case 'stray':
      return `${step.verb} ${step.which} ${hexOf(step.bytes)}`;
    case 'read':
      return `read ${hexOf(step.bytes)}`;
    case 'wait':
      return `wait ${step.milliseconds}`;
    case 'leave':
    case 'join':
      return `${step.verb} ${step.pod}`;
    case 'refuse':
      return `refuse ${step.times}`;
    default:
      return step.verb;
  }
}

function readStep(verb: string, words: readonly string[]): Step {
  const [first = '', ...rest] = words;
  switch (verb) {
    case 'ask':
      if (!CLIENTS.has(first)) throw new CaseError(`there is no client "${first}"`);
      return { verb, client: first, bytes: bytesOf(rest) };
    case 'answer':
    case 'stray':
      return { verb, which: numberOf(first), bytes: bytesOf(rest) };
    case 'read':
      return { verb, bytes: bytesOf(words) };
    case 'wait':
      return { verb, milliseconds: numberOf(first) };
    case 'leave':
    case 'join':
      if (!PODS.some(({ name }) => name === first)) throw new CaseError(`there is no pod "${first}"`);
      return { verb, pod: first };
    case 'refuse':
      return { verb, times: numberOf(first) };
    default: {
      const plain = PLAIN_VERBS.find((each) => each === verb);
      if (plain === undefined) throw new CaseError(`there is no step "${verb}"`);
      return { verb: plain };
    }
  }
}

function numberOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new CaseError(`"${text}" is no number`);
  return Number(text);
}

function bytesOf(words: readonly string[]): Uint8Array {
  const hex = words.map((word) => {
    const [, digits, times = '1'] = /^((?:[0-9a-f]{2})*)(?:\*(\d{1,5}))?$/i.exec(word) ?? [];
    if (digits === undefined) throw new CaseError(`"${word}" is not hexadecimal`);
    return digits.repeat(Number(times));
  });
  return Uint8Array.from(Buffer.from(hex.join(''), 'hex'));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
