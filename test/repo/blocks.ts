// The code blocks of a Markdown text, with the name that the line before gives them.

export interface Block {
  /** FILE:LINE of the fence. */
  readonly at: string;
  readonly language: string;
  readonly text: string;
  /** `NAME` of a paragraph before it that is nothing but that name and a colon; '' when there is none. */
  readonly name: string;
}

export function blocksOf(file: string, markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const fence = /^```(\w*)$/.exec(lines[i] ?? '');
    if (fence === null) continue;
    const end = lines.indexOf('```', i + 1);
    if (end < 0) throw new Error(`${file}:${i + 1}: the block does not end`);
    const before = lines.slice(0, i).findLast((line) => line.trim() !== '') ?? '';
    blocks.push({
      at: `${file}:${i + 1}`,
      language: fence[1] ?? '',
      text: `${lines.slice(i + 1, end).join('\n')}\n`,
      name: /^`([^`]+)`:$/.exec(before)?.[1] ?? '',
    });
    i = end;
  }
  return blocks;
}

export interface Command {
  readonly at: string;
  readonly line: string;
  /** What the block shows as its output; undefined in a block that shows none. */
  readonly shown: string | undefined;
}

/** Commands of a `sh` block, one a line, or of a `console` block: `$ COMMAND` and what it printed. */
export function commandsOf({ at, language, text }: Block): Command[] {
  const lines = text.split('\n').slice(0, -1);
  if (language === 'sh') {
    return lines.flatMap((line) => (line === '' || line.startsWith('#') ? [] : [{ at, line, shown: undefined }]));
  }
  const commands: Command[] = [];
  for (const line of lines) {
    const last = commands.at(-1);
    if (line.startsWith('$ ')) commands.push({ at, line: line.slice(2), shown: '' });
    else if (last === undefined) throw new Error(`${at}: a console block begins with "$ "`);
    else commands[commands.length - 1] = { ...last, shown: `${last.shown ?? ''}${line}\n` };
  }
  return commands;
}

/** The words of a command line as sh reads them; undefined when it is more than one plain command. */
export function wordsOf(line: string): string[] | undefined {
  const words: string[] = [];
  const token = /\s*(?:'([^']*)'|([^\s'"\\;&|<>$`()*?#]+))(?=\s|$)/y;
  while (token.lastIndex < line.length) {
    const found = token.exec(line);
    if (found === null) return undefined;
    words.push(found[1] ?? found[2] ?? '');
  }
  return words;
}
