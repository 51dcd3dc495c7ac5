// What upstreams have said to questions of ours: the messages that a reply may repeat, and the addresses that they let be granted.
import type { AddressHex } from './addresses.ts';
import { grantable } from './grantable.ts';
import type { Message, Question } from './message.ts';

const RCODE_NXDOMAIN = 3;

/** One message that answers a question. */
export interface Known {
  readonly question: Question;
  readonly message: Message;
  /** I2; policy decides further. */
  readonly addresses: readonly AddressHex[];
  readonly ttlSeconds: number;
  readonly atMs: number;
  /** It was asked for with CD: then it answers nobody who did not ask so (R12). */
  readonly isUnchecked: boolean;
}

export class Answers {
  readonly #byName = new Map<string, Known[]>();
  readonly #byAddress = new Map<AddressHex, Known[]>();

  note(message: Message, isUnchecked: boolean, atMs: number): void {
    const [question] = message.questions;
    if (question === undefined) return;
    const known = { question, message, ...grantable(message), atMs, isUnchecked };
    add(this.#byName, question.name.key, known);
    for (const address of known.addresses) add(this.#byAddress, address, known);
  }

  /** Those that may be repeated to who asked so: to the same question, or that there is no such name at all (RFC 2308 §5). */
  to(question: Question, isUnchecked: boolean): readonly Known[] {
    const known = this.#byName.get(question.name.key) ?? [];
    return known.filter(
      (each) =>
        each.isUnchecked === isUnchecked &&
        (each.question.type === question.type || each.message.rcode === RCODE_NXDOMAIN),
    );
  }

  with(address: AddressHex): readonly Known[] {
    return this.#byAddress.get(address) ?? [];
  }

  clear(): void {
    this.#byName.clear();
    this.#byAddress.clear();
  }
}

/** The same for the same question in any case. */
export function keyOf({ name, type }: Question): string {
  return `${type} ${name.key}`;
}

function add(map: Map<string, Known[]>, key: string, known: Known): void {
  const before = map.get(key);
  if (before === undefined) map.set(key, [known]);
  else before.push(known);
}
