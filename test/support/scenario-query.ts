// The words of an `ask` statement → the bytes of a pod's query.
import { FLAG, typeFromName } from '../../src/dns/codes.ts';
import { message, name, opt, option, question } from '../unit/dns/message.ts';
import type { Bytes } from '../unit/dns/message.ts';
import { bytesOf } from './scenario-text.ts';
import type { Words } from './scenario-text.ts';

const DO = 0x8000;
const CLASSES: Readonly<Record<string, number>> = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 };

export interface QueryText {
  readonly bytes: Uint8Array;
  readonly port: number | undefined;
  /** The address asked, when it is not the usual one. */
  readonly server: string | undefined;
  /** The name of the connection that it is written on, and how many bytes at a time. */
  readonly over: string | undefined;
  readonly split: number | undefined;
}

/**
 * `TYPE NAME` or `raw=HEX`, then flags: `edns`, `edns=BYTES`, `version=N`, `do`, `ad`, `cd`, `no-rd`, `id=N`, `port=N`, `to=SERVER`,
 * `class=CH`, `opcode=N`, `questions=N`, `option=CODE:HEX+CODE:HEX`, `second-opt`, `trailing=HEX`, `over=CONNECTION`, `split=BYTES`.
 */
export function readQuery(words: Words, defaultId: number): QueryText {
  const raw = /^raw=(.*)$/.exec(words.peek())?.[1];
  if (raw !== undefined) {
    words.next('raw=HEX');
    const flags = readFlags(words);
    return { bytes: bytesOf(raw), ...howOf(flags) };
  }
  const typeText = words.next('a type');
  const type = typeFromName(typeText);
  if (type === undefined) throw new Error(`"${typeText}" is no type`);
  const qname = name(words.next('a name'));
  const flags = readFlags(words);
  const asked = question(qname, type, CLASSES[flags.get('class') ?? 'IN'] ?? 0);
  const header =
    (flags.has('no-rd') ? 0 : FLAG.RD) |
    ((numberOf(flags, 'opcode') ?? 0) << 11) |
    (flags.has('ad') ? FLAG.AD : 0) |
    (flags.has('cd') ? FLAG.CD : 0);
  const bytes = message({
    id: numberOf(flags, 'id') ?? defaultId,
    flags: header,
    questions: Array.from({ length: numberOf(flags, 'questions') ?? 1 }, () => asked),
    additional: optRecords(flags),
    trailing: [...bytesOf(flags.get('trailing') ?? '')],
  });
  return { bytes, ...howOf(flags) };
}

function howOf(flags: ReadonlyMap<string, string>): Omit<QueryText, 'bytes'> {
  const [port, split] = [numberOf(flags, 'port'), numberOf(flags, 'split')];
  return { port, server: flags.get('to'), over: flags.get('over'), split };
}

function optRecords(flags: ReadonlyMap<string, string>): Bytes[] {
  const needsOpt = ['edns', 'do', 'version', 'option', 'second-opt'].some((flag) => flags.has(flag));
  if (!needsOpt) return [];
  const options = (flags.get('option')?.split('+') ?? []).flatMap(optionOf);
  const ttl = ((numberOf(flags, 'version') ?? 0) << 16) | (flags.has('do') ? DO : 0);
  const one = opt(options, { payload: numberOf(flags, 'edns') || 1232, ttl });
  return flags.has('second-opt') ? [one, one] : [one];
}

/** `CODE:HEX` */
export function optionOf(text: string): Bytes {
  const [code = '', hex = ''] = text.split(':', 2);
  return option(Number(code), [...bytesOf(hex)]);
}

function readFlags(words: Words): Map<string, string> {
  const known =
    /^(edns|version|do|ad|cd|no-rd|id|port|to|class|opcode|questions|option|second-opt|trailing|over|split)(?:=(.*))?$/;
  const flags = new Map<string, string>();
  while (!words.isEmpty) {
    const word = words.next('a flag');
    const [, flag, value = ''] = known.exec(word) ?? [];
    if (flag === undefined) throw new Error(`"${word}" is no flag of a query`);
    flags.set(flag, value);
  }
  return flags;
}

function numberOf(flags: ReadonlyMap<string, string>, flag: string): number | undefined {
  const text = flags.get(flag);
  return text === undefined || text === '' ? undefined : Number(text);
}
