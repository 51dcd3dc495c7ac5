// Annotations that are addressed to namewall: `namewall.io/allow-answer-ranges` and `namewall.io/mode`. Those of other programs are theirs; one
// of ours that is not understood is refused, never ignored.
import { readOpenedRange } from '../../../kernel/opened-ranges.ts';
import type { Entry, Place } from '../document.ts';
import type { FieldReader } from '../fields.ts';

const PREFIX = 'namewall.io/';
const ALLOW_ANSWER_RANGES = `${PREFIX}allow-answer-ranges`;
const MODE = `${PREFIX}mode`;
const KNOWN: readonly string[] = [ALLOW_ANSWER_RANGES, MODE];
const MODES: readonly string[] = ['audit', 'enforce'];
/** Each answer for a name of the policy is compared with all of them. */
const MAX_RANGES = 64;

export interface Annotations {
  /** CIDRs, sorted: what the names of the policy may resolve to all the same. */
  readonly answerRanges?: readonly string[] | undefined;
  /** What the policy denies passes, and is told. */
  readonly isAudited: boolean;
}

export function readAnnotations(entry: Entry | undefined, reader: FieldReader): Annotations {
  const texts = entry && reader.texts(entry.value, 'annotation');
  for (const [key, { place }] of texts ?? []) {
    if (!key.startsWith(PREFIX) || KNOWN.includes(key)) continue;
    reader.fail(place, 'unknown-field', `Remove annotation "${key}": namewall knows no such annotation`);
  }
  const ranges = texts?.get(ALLOW_ANSWER_RANGES);
  const mode = texts?.get(MODE);
  if (mode !== undefined && !MODES.includes(mode.text)) {
    const message = `Cannot use ${JSON.stringify(mode.text)} as ${MODE}: write ${MODES.join(' or ')}`;
    reader.fail(mode.place, 'bad-value', message);
  }
  return { answerRanges: ranges && readRanges(ranges.text, ranges.place, reader), isAudited: mode?.text === 'audit' };
}

function readRanges(text: string, place: Place, reader: FieldReader): readonly string[] | undefined {
  const written = text.split(',').map((part) => part.trim());
  if (written.length > MAX_RANGES) {
    const message = `Remove ranges of ${ALLOW_ANSWER_RANGES}: ${written.length} are listed, at most ${MAX_RANGES}`;
    return reader.fail(place, 'bad-value', message);
  }
  const cidrs = written.flatMap((part) => {
    const range = readOpenedRange(part);
    if (range.ok) return range.cidrs;
    reader.fail(place, 'bad-value', `${ALLOW_ANSWER_RANGES}: ${JSON.stringify(part)} ${range.why}`);
    return [];
  });
  return [...new Set(cidrs)].toSorted();
}
