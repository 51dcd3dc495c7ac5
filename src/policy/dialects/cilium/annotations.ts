// Annotations that are addressed to namewall: `namewall.io/allow-answer-ranges`. Those of other programs are theirs; one of ours that is not
// understood is refused, never ignored.
import { readOpenedRange } from '../../../kernel/opened-ranges.ts';
import type { Entry, Place } from '../document.ts';
import type { FieldReader } from '../fields.ts';

const PREFIX = 'namewall.io/';
const ALLOW_ANSWER_RANGES = `${PREFIX}allow-answer-ranges`;
/** Each answer for a name of the policy is compared with all of them. */
const MAX_RANGES = 64;

/** The CIDRs of allow-answer-ranges, sorted; undefined without it. */
export function readAnnotations(entry: Entry | undefined, reader: FieldReader): readonly string[] | undefined {
  const texts = entry && reader.texts(entry.value, 'annotation');
  for (const [key, { place }] of texts ?? []) {
    if (!key.startsWith(PREFIX) || key === ALLOW_ANSWER_RANGES) continue;
    reader.fail(place, 'unknown-field', `Remove annotation "${key}": namewall knows no such annotation`);
  }
  const ranges = texts?.get(ALLOW_ANSWER_RANGES);
  return ranges && readRanges(ranges.text, ranges.place, reader);
}

export function readRanges(text: string, place: Place, reader: FieldReader): readonly string[] | undefined {
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
