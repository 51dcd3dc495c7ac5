// What the text of a file meant when it was read last: where one of many files has changed, the others are not parsed again. Says nothing about
// whether a file is the same, only whether its text is.
import type { Parsed } from '../../base/errors.ts';

export class ParsedFiles<T> {
  #known = new Map<string, { readonly text: string; readonly parsed: Parsed<T> }>();

  /** For each file and its text what `parse` says, or said of the same text before; whatever else was known is forgotten. */
  parse(
    texts: ReadonlyMap<string, Parsed<string>>,
    parse: (text: string, path: string) => Parsed<T>,
  ): readonly Parsed<T>[] {
    const before = this.#known;
    this.#known = new Map();
    return [...texts].map(([path, text]) => {
      if (!text.ok) return text;
      const known = before.get(path);
      const parsed = known?.text === text.value ? known.parsed : parse(text.value, path);
      this.#known.set(path, { text: text.value, parsed });
      return parsed;
    });
  }
}
