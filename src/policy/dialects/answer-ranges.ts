// The text of the annotation `namewall.io/allow-answer-ranges`: what of the protected ranges the names of a policy may resolve to all the same.
import { readOpenedRange } from '../../kernel/opened-ranges.ts';
import type { Place } from './document.ts';
import type { FieldReader } from './fields.ts';
import { ALLOW_ANSWER_RANGES } from './metadata.ts';

/** Each answer for a name of the policy is compared with all of them. */
const MAX_RANGES = 64;

/** CIDRs, sorted. */
export function readAnswerRanges(text: string, place: Place, reader: FieldReader): readonly string[] | undefined {
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
