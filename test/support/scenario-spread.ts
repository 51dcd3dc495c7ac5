// Whether ids and ports of questions look drawn at random (RFC 5452 §9.2): each of them, by chi-squared.

/** Of four bits; the sockets of a server are as many. */
const BUCKETS = 16;
const LEAST = 1_000;
/** What fifteen degrees of freedom exceed once in a thousand times. */
const LIMIT = 37.7;

export interface Sent {
  readonly id: number;
  readonly port: number;
}

/** Throws when they do not, or when there are too few to say so. */
export function checkSpread(questions: readonly Sent[]): void {
  if (questions.length < LEAST) throw new Error(`Only ${questions.length} questions were asked`);
  const ports = [...new Set(questions.map(({ port }) => port))];
  if (ports.length !== BUCKETS) throw new Error(`They came from ${ports.length} ports`);
  checkEven(
    'first bits of the ids',
    questions.map(({ id }) => id >> 12),
  );
  checkEven(
    'last bits of the ids',
    questions.map(({ id }) => id & 0xf),
  );
  checkEven(
    'ports',
    questions.map(({ port }) => ports.indexOf(port)),
  );
}

function checkEven(what: string, values: readonly number[]): void {
  const counts = Array.from({ length: BUCKETS }, (_, bucket) => values.filter((value) => value === bucket).length);
  const even = values.length / BUCKETS;
  const chiSquared = counts.reduce((sum, count) => sum + (count - even) ** 2 / even, 0);
  if (chiSquared > LIMIT) throw new Error(`The ${what} are not even: ${counts.join(' ')}`);
}
