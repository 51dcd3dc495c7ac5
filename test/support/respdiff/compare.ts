// What differs between the direct answer and the one that came through a forwarder, in words that explained.ts uses.
import { EDNS_DO, FLAG } from '../../../src/dns/codes.ts';
import { SECTIONS } from './reply.ts';
import type { Record, Reply, Section } from './reply.ts';

const BITS = ['QR', 'AA', 'TC', 'RD', 'RA', 'Z', 'AD', 'CD'] as const;

/** Undefined: no reply came. A text: it could not be read. */
export type Got = Reply | string | undefined;

/** `ageSeconds`: how long the answer may have been kept by whoever gave it. */
export function differences(direct: Got, got: Got, ageSeconds: number): string[] {
  if (typeof direct !== 'object' || typeof got !== 'object') return whole(direct) === whole(got) ? [] : [whole(got)];
  // RFC 2181 §9: nothing of a truncated reply is used. A refusal has no records: its rcode says that.
  const isTruncated = ((direct.flags | got.flags) & FLAG.TC) !== 0;
  const isRefusal = direct.rcode !== got.rcode && SECTIONS.every((section) => got.sections[section].length === 0);
  const bits = isTruncated || isRefusal ? BITS.filter((bit) => bit !== 'AA') : BITS;
  return [
    ...changed('rcode', direct.rcode, got.rcode),
    ...changed('opcode', direct.opcode, got.opcode),
    ...bits.flatMap((bit) => changed(bit, direct.flags & FLAG[bit] && 1, got.flags & FLAG[bit] && 1)),
    ...questionDifferences(direct.question, got.question),
    ...optDifferences(direct, got),
    ...(isTruncated || isRefusal ? [] : SECTIONS.flatMap((it) => sectionDifferences(it, direct, got, ageSeconds))),
  ];
}

function whole(got: Got): string {
  if (got === undefined) return 'no reply';
  return typeof got === 'string' ? `unreadable: ${got}` : 'a reply';
}

function changed(what: string, direct: string | number, got: string | number): string[] {
  return direct === got ? [] : [`${what} ${direct}→${got}`];
}

/** Bytes, not meaning: a client compares the case that it sent (0x20). */
function questionDifferences(direct: string, got: string): string[] {
  if (direct === got) return [];
  return direct === '' || got === ''
    ? changed('question', (direct && 'yes') || 'no', (got && 'yes') || 'no')
    : ['question changed'];
}

function optDifferences({ opt: direct }: Reply, { opt: got }: Reply): string[] {
  if (direct === undefined || got === undefined) return changed('OPT', direct ? 'yes' : 'no', got ? 'yes' : 'no');
  return [
    ...changed('version', direct.version, got.version),
    ...changed('DO', direct.flags & EDNS_DO && 1, got.flags & EDNS_DO && 1),
    ...changed('EDNS flags', direct.flags & ~EDNS_DO, got.flags & ~EDNS_DO),
    ...direct.options.filter((code) => !got.options.includes(code)).map((code) => `-option ${code}`),
    ...got.options.filter((code) => !direct.options.includes(code)).map((code) => `+option ${code}`),
  ];
}

/** Records as a set, named by their types: `answer -A` for one or more that are missing, `answer +A` for such that were not asked for. */
function sectionDifferences(section: Section, direct: Reply, got: Reply, ageSeconds: number): string[] {
  const expected = new Map(direct.sections[section].map((record) => [record.text, record]));
  const present = new Map(got.sections[section].map((record) => [record.text, record]));
  const missing = [...expected.values()].filter(({ text }) => !present.has(text));
  const extra = [...present.values()].filter(({ text }) => !expected.has(text));
  const twice = got.sections[section].length === present.size ? [] : [`${section} twice`];
  const ttls = [...present.values()].flatMap((record) =>
    ttlDifferences(section, expected.get(record.text), record, ageSeconds),
  );
  const types = (records: readonly Record[], sign: string): string[] =>
    records.map(({ type }) => `${section} ${sign}${type}`);
  return [...new Set([...types(missing, '-'), ...types(extra, '+'), ...twice, ...ttls])];
}

function ttlDifferences(section: Section, direct: Record | undefined, got: Record, ageSeconds: number): string[] {
  if (direct === undefined) return [];
  if (got.ttl > direct.ttl) return [`${section} TTL higher`];
  return got.ttl < direct.ttl - ageSeconds ? [`${section} TTL lower`] : [];
}
