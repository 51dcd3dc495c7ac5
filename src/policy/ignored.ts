// Warnings that the author of a policy has answered, by a comment on the line of the warning or on the one before it:
//   # namewall-ignore all-ports: the vendor changes them every week
// The reason is for the next reader, and required.
import type { Problem } from '../base/errors.ts';
import { LINT_CODES } from './lint.ts';

const COMMENT = /#\s*namewall-ignore\b\s*([^\s:]*)\s*:?\s*(.*)$/;
const PLACE = /^(.*):(\d+):\d+$/;

export interface Answered {
  /** The warnings that nobody has answered, and comments that answer none. */
  readonly warnings: readonly Problem[];
  /** Comments that cannot be understood. */
  readonly problems: readonly Problem[];
}

interface Comment {
  readonly file: string;
  readonly line: number;
  readonly code: string;
  readonly at: string;
}

/** `texts`: the YAML files by the names that places begin with. `unasked`: codes that were not looked for: whether a comment is stale is not known. */
export function withoutIgnored(
  warnings: readonly Problem[],
  texts: ReadonlyMap<string, string>,
  unasked: readonly string[] = [],
): Answered {
  const problems: Problem[] = [];
  const comments = [...texts].flatMap(([file, text]) => commentsOf(file, text, problems));
  const used = new Set<Comment>();
  const kept = warnings.filter(({ at, code }) => {
    const [, file, line] = PLACE.exec(at) ?? [];
    const answer = comments.find(
      (comment) => comment.file === file && comment.code === code && [0, 1].includes(Number(line) - comment.line),
    );
    if (answer !== undefined) used.add(answer);
    return answer === undefined;
  });
  const unused = comments.filter((comment) => !used.has(comment) && !unasked.includes(comment.code));
  const stale = unused.map(({ at, code }) => ({
    at,
    code: 'unused-ignore',
    message: `no ${code} here: remove the comment`,
  }));
  return { warnings: [...kept, ...stale], problems };
}

function commentsOf(file: string, text: string, problems: Problem[]): Comment[] {
  return text.split('\n').flatMap((content, i): Comment[] => {
    const match = COMMENT.exec(content);
    if (match === null) return [];
    const [, code = '', reason = ''] = match;
    const at = `${file}:${i + 1}:${match.index + 1}`;
    const why = LINT_CODES.some((known) => known === code)
      ? reason.trim() === '' && 'it has no reason'
      : `${JSON.stringify(code)} is no code of a warning (${LINT_CODES.join(', ')})`;
    if (why === false) return [{ file, line: i + 1, code, at }];
    const message = `Cannot use this comment: ${why}; write "# namewall-ignore CODE: REASON"`;
    problems.push({ at, code: 'bad-ignore', message });
    return [];
  });
}
