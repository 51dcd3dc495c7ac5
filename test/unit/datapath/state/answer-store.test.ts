import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ageSeconds, AnswerStore, NO_ANSWER, remainingMs } from '../../../../src/datapath/state/answer-store.ts';
import type { AnswerDraft, AnswerKey, DraftBody } from '../../../../src/datapath/state/answer-draft.ts';
import { parseNameText } from '../../../../src/dns/name.ts';
import { draftBody, draftOf, keyOf, readStored, type StoredAnswer } from './stored-answer.ts';

const KILOBYTE = 1_024;
const MEGABYTE = 1_024 * KILOBYTE;
const SMALL_BYTES = 64 * KILOBYTE;
const PASSING_BYTES = 2 * MEGABYTE;
const LINE_BYTES = 64;
const NOW_MS = 1_000;
const CHAINS = 1 << 17;

const wireOf = (name: string): Uint8Array => parseNameText(name) ?? expect.fail(name);
/** The question for the n-th name: all of one length. */
const question = (n: number): AnswerKey => keyOf(wireOf(`n${String(n).padStart(6, '0')}.example.org`), n);

/** An answer whose bytes all say `n`; with its question it takes a number of bytes that is a multiple of 64. */
const answerOf = (n: number, bodyBytes = 60): AnswerDraft =>
  draftOf({ plain: draftBody(new Uint8Array(bodyBytes).fill(n), [2, 4]), rcode: n & 15 });

/** What an entry takes: a head of 64, the name, 16 for its address, 4 for its TTLs and the body, on lines of 64. */
const entryBytes = (key: AnswerKey, bodyBytes = 60): number =>
  Math.ceil((66 + key.nameBytes + (key.nameBytes & 1) + 16 + 4 + bodyBytes) / LINE_BYTES) * LINE_BYTES;
/** A body with which an entry takes `bytes`. */
const bodyFor = (key: AnswerKey, bytes: number): number => bytes - (entryBytes(key, 0) - LINE_BYTES) - LINE_BYTES;

const isThere = (store: AnswerStore, n: number): boolean => store.find(question(n), NOW_MS) !== NO_ANSWER;

describe('what is left of a TTL of 30 s', () => {
  const store = new AnswerStore(SMALL_BYTES);
  const answer = store.keep(question(1), draftOf({ ttlSeconds: 30, storedMs: 1_000 }));

  test.each([
    ['at once', 1_000, 30_000, 0],
    ['a microsecond later: every TTL is a second less, never more than what is left', 1_000.001, 29_999.999, 1],
    ['after a second, exactly', 2_000, 29_000, 1],
    ['after a second and a bit', 2_000.5, 28_999.5, 2],
    ['a millisecond before its end', 30_999, 1, 30],
    ['at its end', 31_000, 0, 30],
    ['long after', 100_000, 0, 99],
  ])('%s', (_why, nowMs, leftMs, age) => {
    expect(remainingMs(store, answer, nowMs)).toBeCloseTo(leftMs, 6);
    expect(ageSeconds(store, answer, nowMs)).toBe(age);
  });

  test('the TTL that is sent never outlives it', () => {
    for (let nowMs = 1_000; nowMs < 31_000; nowMs += 7.3) {
      const sent = store.ttlSeconds(answer) - ageSeconds(store, answer, nowMs);
      expect(sent * 1_000).toBeLessThanOrEqual(remainingMs(store, answer, nowMs) + 1e-6);
    }
  });
});

test('an answer is valid until its expiry, not at it', () => {
  const store = new AnswerStore(SMALL_BYTES);
  const answer = store.keep(question(1), draftOf({ expiryMs: 31_000 }));
  expect(store.find(question(1), 30_999.9)).toBe(answer);
  expect(store.find(question(1), 31_000)).toBe(NO_ANSWER);
});

describe('whose answer it is', () => {
  const NAME = wireOf('api.example.org');
  const OTHERS: readonly (readonly [string, AnswerKey])[] = [
    ['another hash', keyOf(NAME, 2)],
    ['another hash of the same chain', keyOf(NAME, 1 + CHAINS)],
    ['a negative one of the same chain', keyOf(NAME, 1 - 2 ** 31)],
    ['another name of that length', keyOf(wireOf('apj.example.org'))],
    ['another last byte', keyOf(wireOf('api.example.orh'))],
    ['a longer name that begins with it', keyOf(Uint8Array.of(...NAME, 0))],
    ['a name that it begins with', keyOf(NAME.slice(0, -1))],
    ['another type', keyOf(NAME, 1, { qtype: 28 })],
    ['a type whose low byte is the same', keyOf(NAME, 1, { qtype: 257 })],
    ['DO', keyOf(NAME, 1, { flags: 1 })],
    ['CD', keyOf(NAME, 1, { flags: 2 })],
    ['both', keyOf(NAME, 1, { flags: 3 })],
  ];

  test('the same question is the same wherever its name stands', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const answer = store.keep(keyOf(NAME), draftOf());
    const elsewhere = { ...keyOf(NAME), name: Uint8Array.from([1, 2, 3, ...NAME]), nameAt: 3 };
    expect(store.find(elsewhere, NOW_MS)).toBe(answer);
  });

  test.each(OTHERS)('not of a question with %s, and the other way round', (_why, other) => {
    const store = new AnswerStore(SMALL_BYTES);
    store.keep(keyOf(NAME), draftOf());
    expect(store.find(other, NOW_MS)).toBe(NO_ANSWER);
    const theirs = store.keep(other, draftOf());
    const ours = store.keep(keyOf(NAME), draftOf());
    expect([store.find(other, NOW_MS), store.find(keyOf(NAME), NOW_MS)]).toEqual([theirs, ours]);
    expect(store.size).toBe(2);
  });

  test('each of many of one chain is found, and any of them can be replaced', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const keys = [keyOf(NAME), ...OTHERS.map(([, key]) => key)];
    keys.forEach((key, i) => store.keep(key, answerOf(i)));
    for (const again of [5, 0, 12]) store.keep(keys[again] ?? expect.fail(), answerOf(100 + again));
    const found = keys.map((key) => readStored(store, store.find(key, NOW_MS)).plain.bytes[0]);
    expect(found).toEqual(keys.map((_, i) => ([5, 0, 12].includes(i) ? 100 + i : i)));
    expect(store.size).toBe(keys.length);
  });
});

describe('what is stored comes out as it was', () => {
  const addresses = Uint8Array.from({ length: 16 * 250 }, (_, i) => i * 7);
  const body = (length: number, fill: number) =>
    draftBody(
      Uint8Array.from({ length }, (_, i) => fill + i),
      [12, 300, 65_535],
    );

  test.each<[string, Uint8Array, Partial<AnswerDraft>]>([
    ['usual', wireOf('api.example.org'), {}],
    ['of the root', wireOf('.'), {}],
    ['of the longest name', Uint8Array.from({ length: 255 }, (_, i) => i), {}],
    ['without addresses', wireOf('api.example.org'), { addressCount: 0 }],
    ['with 250 addresses', wireOf('api.example.org'), { addresses, addressCount: 250 }],
    ['without a TTL', wireOf('api.example.org'), { plain: draftBody(Uint8Array.of(1, 2, 3)) }],
    ['of odd lengths', wireOf('a.b'), { plain: body(61, 3), judged: body(33, 90), isShownWhole: false }],
    ['of even lengths', wireOf('aa.b'), { plain: body(60, 3), judged: body(34, 90), isShownWhole: false }],
    ['as large as they get', wireOf('a.b'), { plain: body(12_288, 3), judged: body(12_287, 90), isShownWhole: false }],
    [
      'extreme numbers',
      wireOf('a.b'),
      { rcode: 4_095, withheld: 250, capped: 16_000, ttlSeconds: 2 ** 31 - 1, storedMs: 2 ** 40 },
    ],
  ])('%s', (_why, name, changes) => {
    const store = new AnswerStore(128 * KILOBYTE);
    const draft = draftOf({ expiryMs: Number.MAX_SAFE_INTEGER, ...changes });
    const key = keyOf(name);
    const passed = readStored(store, store.pass(key, draft));
    const want = storedOf(name, draft);
    expect(readStored(store, store.keep(key, draft))).toMatchObject(want);
    expect(passed).toMatchObject(want);
  });

  test('one body that is both stands there once', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const whole = readStored(store, store.keep(question(1), draftOf({ isShownWhole: true })));
    expect(whole.judged.at).toBe(whole.plain.at);
    const cut = draftOf({ isShownWhole: false, judged: draftBody(Uint8Array.of(1)) });
    const { plain, judged } = readStored(store, store.keep(question(2), cut));
    expect(judged.at).toBeGreaterThanOrEqual(plain.at + plain.bytes.length);
  });

  test('what a pod’s lookup was noted for is of that pod, until then, and not of the next answer', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const answer = store.keep(question(1), draftOf());
    expect(store.isNoted(answer, 0, 1)).toBe(false);
    store.setNoted(answer, 2 ** 32 - 1, 5_000.5);
    const ask = (pod: number, untilMs: number) => store.isNoted(answer, pod, untilMs);
    expect([ask(2 ** 32 - 1, 5_000.5), ask(2 ** 32 - 1, 5_000.6), ask(7, 1)]).toEqual([true, false, false]);
    expect(store.isNoted(store.keep(question(1), draftOf()), 2 ** 32 - 1, 1)).toBe(false);
  });
});

test('a new answer takes the place of the old one, which can be read until it is overwritten', () => {
  const store = new AnswerStore(SMALL_BYTES);
  const old = store.keep(question(1), answerOf(1));
  const serial = store.serial(old);
  const next = store.keep(question(1), draftOf({ expiryMs: 90_000 }));
  expect(store.find(question(1), 80_000)).toBe(next);
  expect(store.size).toBe(1);
  expect([store.serial(old), readStored(store, old).plain.bytes[0]]).toEqual([serial, 1]);
});

describe('a full log', () => {
  /** Entries of 256 bytes, which 64 KiB are a multiple of. */
  const BODY = bodyFor(question(0), 256);
  const PLACES = SMALL_BYTES / 256;
  /** Answers that it holds: a sixteenth stays free before its head. */
  const COUNT = (PLACES / 16) * 15;
  const fill = (store: AnswerStore, first: number, end: number): number[] =>
    Array.from({ length: end - first }, (_, i) => store.keep(question(first + i), answerOf(first + i, BODY)));

  test('is full when all but a sixteenth of it is used, not before', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const places = fill(store, 0, COUNT);
    expect(places).toEqual(Array.from({ length: COUNT }, (_, i) => 256 * i));
    expect(store.size).toBe(COUNT);
    expect(isThere(store, COUNT - 1)).toBe(true);
  });

  test('overwrites the oldest that nobody asked for, and no more than it needs', () => {
    const store = new AnswerStore(SMALL_BYTES);
    fill(store, 0, COUNT + 3);
    expect(store.size).toBe(COUNT);
    expect([0, 1, 2].map((n) => isThere(store, n))).toEqual([false, false, false]);
    expect(store.size).toBe(COUNT); // and asking for what is gone changes nothing
    expect(isThere(store, 3)).toBe(true);
  });

  test('what was overwritten has another serial at its place, each time', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const [first = -1] = fill(store, 0, PLACES);
    const serials = [store.serial(first)];
    for (let turn = 1; turn < 4; turn++) {
      expect(store.serial(first)).toBe(serials.at(-1));
      const [place] = fill(store, turn * PLACES, (turn + 1) * PLACES);
      expect(place).toBe(first);
      serials.push(store.serial(first));
    }
    expect(new Set(serials).size).toBe(serials.length);
  });

  test('no bytes of another answer are taken for the serial of what they have overwritten', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const [, second = -1] = fill(store, 0, PLACES);
    const serial = store.serial(second);
    const forged = new Uint8Array(Uint32Array.from({ length: 128 }, () => serial).buffer);
    const places = [0, 1, 2, 3].map((shift) => {
      const again = new AnswerStore(SMALL_BYTES);
      fill(again, 0, PLACES);
      again.keep(
        question(PLACES),
        draftOf({ plain: draftBody(Uint8Array.from([...forged.slice(0, shift), ...forged])) }),
      );
      return again.serial(second);
    });
    expect(places).not.toContain(serial);
  });

  test('keeps what is asked for, however much else comes', () => {
    const store = new AnswerStore(SMALL_BYTES);
    for (let n = 0; n < 20 * COUNT; n++) {
      store.keep(question(n), answerOf(n, BODY));
      const found = store.find(question(0), NOW_MS);
      expect(readStored(store, found).plain.bytes[0]).toBe(0);
    }
    expect(store.size).toBeLessThanOrEqual(COUNT);
  });

  test('an answer of the younger half stays where it is, one of the older half moves to the front with all it has', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const [first = -1] = fill(store, 0, PLACES / 2);
    expect(store.find(question(0), NOW_MS)).toBe(first);
    store.setNoted(first, 7, 5_000);
    const before = readStored(store, first);
    const [last = -1] = fill(store, PLACES / 2, PLACES / 2 + 1);
    const moved = store.find(question(0), NOW_MS);
    expect(moved).toBe(last + 256);
    const shift = moved - first;
    expect(readStored(store, moved)).toEqual({
      ...before,
      plain: { ...before.plain, at: before.plain.at + shift },
      judged: { ...before.judged, at: before.judged.at + shift },
    });
    expect(store.isNoted(moved, 7, 5_000)).toBe(true);
    expect(store.size).toBe(PLACES / 2 + 1);
    expect(store.find(question(0), NOW_MS)).toBe(moved);
  });

  test('the very oldest of a full one moves and is read where it is, and the one behind it goes next', () => {
    const store = new AnswerStore(SMALL_BYTES);
    fill(store, 0, COUNT);
    const moved = store.find(question(0), NOW_MS);
    expect(moved).toBe(256 * COUNT);
    expect(readStored(store, moved).plain.bytes).toEqual(new Uint8Array(BODY).fill(0));
    expect(store.size).toBe(COUNT);
    fill(store, COUNT, COUNT + 1);
    expect([isThere(store, 0), isThere(store, 1), isThere(store, 2)]).toEqual([true, false, true]);
  });

  test('an expired answer is not kept from being overwritten by asking for it', () => {
    const store = new AnswerStore(SMALL_BYTES);
    store.keep(question(0), { ...answerOf(0, BODY), expiryMs: NOW_MS });
    fill(store, 1, COUNT);
    expect(isThere(store, 0)).toBe(false);
    expect(store.size).toBe(COUNT); // it counts until its turn comes
    fill(store, COUNT, COUNT + 1);
    expect([store.size, isThere(store, 1)]).toEqual([COUNT, true]);
  });

  test('a replaced answer gives its place back when its turn comes, once', () => {
    const store = new AnswerStore(SMALL_BYTES);
    fill(store, 0, 1);
    fill(store, 0, COUNT - 1);
    expect(store.size).toBe(COUNT - 1);
    fill(store, COUNT, COUNT + 1); // in the place of the one that was replaced
    expect(store.size).toBe(COUNT);
    expect(isThere(store, 0)).toBe(true);
  });

  test('an entry that does not fit before the end of the block begins at its start, and the rest is skipped the next time', () => {
    const store = new AnswerStore(SMALL_BYTES);
    fill(store, 0, PLACES - 1); // 256 bytes are left, and the first 15 are gone
    const large = store.keep(question(1_000), answerOf(7, bodyFor(question(0), 512)));
    expect(large).toBe(0);
    expect([0, 14, 15, 16, 17].map((n) => isThere(store, n))).toEqual([false, false, false, false, false]);
    expect(store.size).toBe(PLACES - 1 - 15 - 3 + 1);
    fill(store, 2_000, 2_000 + PLACES - 3); // up to the rest
    const next = store.keep(question(3_000), answerOf(8, BODY));
    expect(next).toBe(SMALL_BYTES - 256);
    const [over] = fill(store, 4_000, 4_001);
    expect(over).toBe(0);
    expect(isThere(store, 1_000)).toBe(false);
  });

  test('no entry lies over the end of the block', () => {
    const store = new AnswerStore(SMALL_BYTES);
    for (let n = 0; n < 2_000; n++) {
      const bodyBytes = (n * 37) % 900;
      const { plain } = readStored(store, store.keep(question(n), answerOf(n, bodyBytes)));
      expect(plain.at + plain.bytes.length).toBeLessThanOrEqual(SMALL_BYTES);
      expect(plain.bytes).toEqual(new Uint8Array(bodyBytes).fill(n));
      // A rest that is skipped wrongly loses count of what is overwritten.
      expect(store.size).toBeLessThanOrEqual(SMALL_BYTES / entryBytes(question(0), 0));
    }
  });
});

describe('an answer in passing', () => {
  test('is read like one that is kept, and found by nobody', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const answer = store.pass(question(1), answerOf(3));
    expect(readStored(store, answer).plain.bytes).toEqual(new Uint8Array(60).fill(3));
    expect(isThere(store, 1)).toBe(false);
    expect(store.size).toBe(0);
  });

  test('takes no room of the cache and does not replace what is cached', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const kept = store.keep(question(1), answerOf(1));
    for (let n = 0; n < 20_000; n++) store.pass(question(1), answerOf(n));
    expect(store.find(question(1), NOW_MS)).toBe(kept);
    expect(readStored(store, kept).plain.bytes).toEqual(new Uint8Array(60).fill(1));
    expect(store.size).toBe(1);
  });

  test('stays until 2 MB of others came', () => {
    const store = new AnswerStore(SMALL_BYTES);
    const pass = (): number => store.pass(question(1), answerOf(1, bodyFor(question(1), 256)));
    const answer = pass();
    const serial = store.serial(answer);
    for (let n = 1; n < PASSING_BYTES / 256; n++) pass();
    expect(store.serial(answer)).toBe(serial);
    pass();
    expect(store.serial(answer)).not.toBe(serial);
  });
});

describe('an answer that is too large', () => {
  const large = (length: number): AnswerDraft => draftOf({ plain: draftBody(new Uint8Array(length)) });

  test('for a quarter of the cache passes, and costs nobody anything', () => {
    const store = new AnswerStore(SMALL_BYTES);
    store.keep(question(1), answerOf(1));
    const answer = store.keep(question(2), large(SMALL_BYTES / 4));
    expect(readStored(store, answer).plain.bytes).toHaveLength(SMALL_BYTES / 4);
    expect([isThere(store, 1), isThere(store, 2), store.size]).toEqual([true, false, 1]);
  });

  test('for a quarter of what passes is none', () => {
    const store = new AnswerStore(SMALL_BYTES);
    expect(store.pass(question(2), large(PASSING_BYTES / 4))).toBe(NO_ANSWER);
    expect(store.keep(question(2), large(PASSING_BYTES / 4))).toBe(NO_ANSWER);
    expect(store.size).toBe(0);
  });

  test('as large as the parts of a datagram get, written out twice, is kept', () => {
    const store = new AnswerStore();
    const body = (): DraftBody => draftBody(new Uint8Array(12_288));
    const addresses = new Uint8Array(16 * 250);
    const answer = store.keep(
      question(1),
      draftOf({ plain: body(), judged: body(), isShownWhole: false, addresses, addressCount: 250 }),
    );
    expect(store.find(question(1), NOW_MS)).toBe(answer);
  });
});

test('50,000 names of the usual size fit: four addresses behind two aliases, both bodies', () => {
  const store = new AnswerStore();
  const draft = draftOf({
    plain: draftBody(new Uint8Array(200), [1, 2, 3, 4, 5, 6]),
    judged: draftBody(new Uint8Array(160), [1, 2, 3, 4, 5, 6]),
    isShownWhole: false,
    addresses: new Uint8Array(64),
    addressCount: 4,
  });
  for (let n = 0; n < 50_000; n++) store.keep(question(n), draft);
  expect(store.size).toBe(50_000);
  const missing = Array.from({ length: 50_000 }, (_, n) => n).filter((n) => !isThere(store, n));
  expect(missing).toEqual([]);
});

/** What the store should say of this draft. */
function storedOf(name: Uint8Array, draft: AnswerDraft): Omit<StoredAnswer, 'plain' | 'judged'> & Bodies {
  const bodyOf = ({ bytes, length, ttlOffsets, ttls }: AnswerDraft['plain']) => ({
    bytes: bytes.slice(0, length),
    ttlOffsets: [...ttlOffsets.subarray(0, ttls)],
  });
  const plain = bodyOf(draft.plain);
  const { rcode, withheld, capped, ttlSeconds, storedMs } = draft;
  return {
    name,
    rcode,
    plain,
    judged: draft.isShownWhole ? plain : bodyOf(draft.judged),
    addresses: draft.addresses.slice(0, 16 * draft.addressCount),
    withheld,
    isCapped: capped > 0,
    ttlSeconds,
    storedMs,
  };
}

type Bodies = Record<'plain' | 'judged', { bytes: Uint8Array; ttlOffsets: number[] }>;

describe('whatever is kept, passed and asked for', () => {
  const NAMES = ['a.b', 'aa.b', 'example.org', `${'n'.repeat(60)}.example.org`].map(wireOf);
  /** Few, so that questions meet again; hashes of one chain and even equal ones. */
  const key = fc.record({
    name: fc.nat(NAMES.length - 1),
    hash: fc.constantFrom(1, 1 + CHAINS, -7, 99),
    qtype: fc.constantFrom(1, 28),
    flags: fc.nat(3),
    pod: fc.nat(2),
  });
  const body = fc.record({ length: fc.oneof(fc.nat(200), fc.nat(3_000)), ttls: fc.nat(5) });
  const draft = fc.record({
    plain: body,
    judged: fc.option(body),
    addresses: fc.oneof(fc.nat(4), fc.nat(60)),
    expiryMs: fc.integer({ min: 1, max: 400 }),
  });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('keep' as const), key, draft }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), key, draft }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('find' as const), key }) },
  );

  test('what is found is what was kept last for that question, whole and not expired', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
        const store = new AnswerStore(SMALL_BYTES);
        const model = new Map<string, { want: ReturnType<typeof storedOf>; expiryMs: number }>();
        for (const [nowMs, now] of steps.entries()) {
          const { hash, qtype, flags, pod } = now.key;
          const name = NAMES[now.key.name] ?? expect.fail();
          const asked = keyOf(name, hash, { qtype, flags, pod });
          const id = JSON.stringify({ ...now.key, pod: undefined }); // whoever asks, it is the same question
          if (now.do === 'find') {
            const known = model.get(id);
            const found = store.find(asked, nowMs);
            if (found === NO_ANSWER) continue; // it may have been overwritten; that the young ones are not is tested above
            expect(known?.expiryMs).toBeGreaterThan(nowMs);
            expect(readStored(store, found)).toMatchObject(known?.want ?? {});
            continue;
          }
          const made = newDraft(now.draft, nowMs);
          const answer = now.do === 'keep' ? store.keep(asked, made) : store.pass(asked, made);
          const want = storedOf(name, made);
          expect(readStored(store, answer)).toMatchObject(want);
          if (now.do === 'pass') continue;
          model.set(id, { want, expiryMs: made.expiryMs });
          expect(store.find(asked, nowMs)).toBe(made.expiryMs > nowMs ? answer : NO_ANSWER);
          expect(store.size).toBeLessThanOrEqual(model.size);
        }
      }),
      { numRuns: 200 },
    );
  });

  /** Bytes that differ from draft to draft and from place to place. */
  function newDraft(it: typeof draft extends fc.Arbitrary<infer T> ? T : never, n: number): AnswerDraft {
    const bytesOf = (length: number, salt: number) => Uint8Array.from({ length }, (_, i) => n * 31 + i + salt);
    const bodyOf = ({ length, ttls }: { length: number; ttls: number }, salt: number) =>
      draftBody(
        bytesOf(length + 1, salt),
        Array.from({ length: ttls }, (_, i) => n * 7 + i),
      );
    return draftOf({
      plain: bodyOf(it.plain, 0),
      judged: bodyOf(it.judged ?? { length: 0, ttls: 0 }, 100),
      isShownWhole: it.judged === null,
      addresses: bytesOf(16 * it.addresses, 200),
      addressCount: it.addresses,
      ttlSeconds: n,
      storedMs: n,
      expiryMs: n + it.expiryMs - 200,
    });
  }
});
