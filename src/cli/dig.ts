// `namewall dig`: asks the running agent in the name of a pod, and prints the path that the question took.
import { parseArgs } from 'node:util';
import { DEFAULT_STATE } from '../agent/config.ts';
import type { DigReply } from '../agent/digger.ts';
import { parseAddress, familyOf } from '../base/ip.ts';
import { buildQuery } from '../dns/build-reply.ts';
import { CLASS, FLAG, TYPE, typeFromName, typeName } from '../dns/codes.ts';
import { formatName, parseNameText } from '../dns/name.ts';
import { askAgent } from './ask-agent.ts';
import { pathOf } from './dig/path.ts';
import type { Asked } from './dig/path.ts';
import { renderPath } from './dig/render.ts';
import type { CliIo } from './io.ts';

const HELP = `Usage: namewall dig [OPTIONS] POD NAME [TYPE]
       namewall dig [OPTIONS] POD -x ADDRESS

Asks the running agent in the name of a pod, and prints the path that the question took: who the pod is and what selects
it, which rule matched, whether the answer was cached or whom it was forwarded to, the chain of aliases, what was
withheld and why, what was granted, and what the pod is told.

It is no rehearsal: the question goes the way of the pod's own ones, and what it grants is granted to the pod. The audit
log has it with "dig": true. NAME is asked as it is, without search domains.

POD is NAMESPACE/NAME, or an address of the pod. TYPE is a mnemonic or TYPE123 (default A). NAME may hold any byte as
\\DDD. The answer is the one over TCP, so that it is whole.

Options:
  -x ADDRESS              ask for the name of an address: its PTR record
      --dnssec            ask for DNSSEC records, too (DO)
      --cd                checking disabled (CD)
  -o, --output WHAT       text (default) or json
      --state FOLDER      where the agent's configuration has "state" (default ${DEFAULT_STATE})
  -h, --help              this text

Exit codes:
  0  answered, with records of the type
  1  not so: denied, withheld, no such name or no such records, refused, failed; the last line says which
  2  nothing was asked: wrong usage, no such pod, no agent, no permission to ask it, or too many ask at this moment

Examples:
  namewall dig shop/cart api.example.org
  namewall dig 10.0.1.7 example.org MX
  namewall dig shop/cart -x 192.0.2.8
`;

const OPTIONS = {
  reverse: { type: 'string', short: 'x' },
  dnssec: { type: 'boolean', default: false },
  cd: { type: 'boolean', default: false },
  output: { type: 'string', short: 'o', default: 'text' },
  state: { type: 'string', default: DEFAULT_STATE },
  help: { type: 'boolean', short: 'h' },
} as const;

const ANSWERED = 0;
const NOT_ANSWERED = 1;
const NOT_ASKED = 2;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let args;
  try {
    args = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    return misused(io, error instanceof Error ? error.message : String(error));
  }
  const { help, output, dnssec, cd, reverse, state } = args.values;
  if (help === true) {
    io.out(HELP);
    return ANSWERED;
  }
  if (output !== 'text' && output !== 'json') return misused(io, 'output is "text" or "json"');
  const [pod = '', ...words] = args.positionals;
  if (!isPod(pod)) return misused(io, `POD is NAMESPACE/NAME or an address, not ${JSON.stringify(pod)}`);
  const question = reverse === undefined ? readQuestion(words) : readReverse(reverse, words);
  if (typeof question === 'string') return misused(io, question);

  const flags = FLAG.AD | (cd ? FLAG.CD : 0);
  const query = Buffer.from(queryOf(question, flags, dnssec)).toString('base64');
  const reply = await askAgent<DigReply>({ kind: 'dig', pod, query }, state, io);
  if (reply === undefined) return NOT_ASKED;
  if (!reply.ok) {
    io.err(`namewall dig: ${reply.error}\n`);
    return NOT_ASKED;
  }
  const { name, type } = question;
  const asked: Asked = { name: formatName(name), type: typeName(type), dnssecOk: dnssec, checkingDisabled: cd };
  const path = pathOf(asked, reply.report);
  io.out(output === 'json' ? `${JSON.stringify(path)}\n` : renderPath(path));
  return path.result === 'answered' ? ANSWERED : NOT_ANSWERED;
}

interface Question {
  /** Wire form. */
  readonly name: Uint8Array;
  readonly type: number;
}

function isPod(text: string): boolean {
  const [namespace = '', name = '', more] = text.split('/');
  return parseAddress(text) !== undefined || (namespace !== '' && name !== '' && more === undefined);
}

/** A text says what is wrong. */
function readQuestion([name, typeText = 'A', ...more]: readonly string[]): Question | string {
  if (name === undefined) return 'write a name behind the pod';
  if (more.length > 0) return `${JSON.stringify(more[0])} is too many: ask one name and one type`;
  const wire = parseNameText(name);
  if (wire === undefined) return `${JSON.stringify(name)} is no name: write it in ASCII, xn--… and \\DDD included`;
  const type = typeFromName(typeText);
  return type === undefined ? `${JSON.stringify(typeText)} is no type` : { name: wire, type };
}

function readReverse(text: string, words: readonly string[]): Question | string {
  if (words.length > 0) return '-x stands alone behind the pod';
  const address = parseAddress(text);
  if (address === undefined) return `${JSON.stringify(text)} is no address`;
  const wire = parseNameText(reverseName(address));
  return wire === undefined ? `${JSON.stringify(text)} has no name` : { name: wire, type: TYPE.PTR };
}

/** RFC 1035 §3.5, RFC 3596 §2.5. */
function reverseName(address: Uint8Array): string {
  if (familyOf(address) === 4) return `${address.slice(12).toReversed().join('.')}.in-addr.arpa`;
  const digits = Buffer.from(address).toString('hex');
  return `${digits.split('').toReversed().join('.')}.ip6.arpa`;
}

/** As a pod's resolver writes it, with OPT, so that the reply may say why. */
function queryOf({ name, type }: Question, flags: number, dnssecOk: boolean): Uint8Array {
  const bytes = new Uint8Array(512);
  const qname = Uint8Array.from([...name, type >>> 8, type & 0xff, 0, CLASS.IN]);
  const question = { id: 0, flags, qname, questionLength: qname.length, dnssecOk, hasOpt: true };
  return bytes.slice(0, buildQuery({ bytes, at: 0, limit: bytes.length }, question));
}

function misused(io: CliIo, why: string): number {
  io.err(`namewall dig: ${why}; see namewall dig --help\n`);
  return NOT_ASKED;
}
