// `namewall match`: says whether names match a rule, by the matcher that decides in the data plane.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { foldName, parseNameText } from '../dns/name.ts';
import {
  compileDomainName,
  compileMatchName,
  compileMatchPattern,
  matchesName,
  type NameResult,
} from '../policy/names.ts';

const HELP = `Usage: namewall match [OPTIONS] RULE NAME…
       namewall match --vectors FILE

Says for each NAME whether RULE matches it: a line "yes NAME" or "no NAME", or "invalid NAME" when RULE is not valid.
RULE is a matchPattern unless told otherwise. A NAME may end in a dot, may be ".", and may hold any byte as \\DDD.

Options:
  --name                RULE is a matchName
  --dialect DIALECT     cilium (default), or kubernetes: RULE is an item of domainNames
  --vectors FILE        check a table instead: lines of kind (N matchName, P matchPattern), rule, name and the expected
                        verdict (yes, no, inv), parted by tabs; prints the lines that disagree
  --help                print this text

Exit codes:
  0  every name matches, or every line of the table agrees
  1  a name does not match, or a line disagrees
  2  RULE is invalid, the table cannot be read, or the command line is wrong

Examples:
  namewall match '*.example.org' www.example.org
  namewall match --name api.example.org API.example.org.
  namewall match --dialect kubernetes '*.example.org' a.b.example.org
`;

interface Io {
  out(text: string): void;
  err(text: string): void;
}

const ALL_MATCH = 0;
const SOME_DO_NOT = 1;
const UNUSABLE = 2;

export function run(argv: readonly string[], io: Io): number {
  const options = readOptions(argv, io);
  if (options === undefined) return UNUSABLE;
  if (options.values.help === true) {
    io.out(HELP);
    return ALL_MATCH;
  }
  const { vectors, dialect = 'cilium', name: isName = false } = options.values;
  if (vectors !== undefined) {
    if (options.positionals.length > 0 || isName || options.values.dialect !== undefined) {
      return misused(io, '--vectors stands alone: the table has the rules');
    }
    return checkVectors(vectors, io);
  }
  if (dialect !== 'cilium' && dialect !== 'kubernetes') {
    return misused(io, `unknown dialect "${dialect}": write cilium or kubernetes`);
  }
  if (isName && dialect === 'kubernetes') return misused(io, '--name is of the cilium dialect');
  const [rule, ...names] = options.positionals;
  if (rule === undefined || names.length === 0) return misused(io, 'write a rule and at least one name');
  if (dialect === 'kubernetes') return matchAll(compileDomainName(rule), names, io);
  return matchAll(isName ? compileMatchName(rule) : compileMatchPattern(rule, 'toFQDNs'), names, io);
}

function readOptions(argv: readonly string[], io: Io) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        name: { type: 'boolean' },
        dialect: { type: 'string' },
        vectors: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    misused(io, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function misused(io: Io, why: string): number {
  io.err(`namewall match: ${why}\nTry "namewall match --help"\n`);
  return UNUSABLE;
}

function matchAll(rule: NameResult, names: readonly string[], io: Io): number {
  if (!rule.ok) {
    for (const name of names) io.out(`invalid ${name}\n`);
    io.err(`namewall match: ${rule.message}\n`);
    return UNUSABLE;
  }
  let exitCode = ALL_MATCH;
  for (const name of names) {
    if (toWire(name) === undefined) io.err(`namewall match: ${JSON.stringify(name)} cannot be a DNS name\n`);
    const verdict = judge(rule, name);
    if (verdict === 'no') exitCode = SOME_DO_NOT;
    io.out(`${verdict} ${name}\n`);
  }
  return exitCode;
}

function checkVectors(file: string, io: Io): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    io.err(
      `namewall match: cannot read ${JSON.stringify(file)}: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return UNUSABLE;
  }
  let rows = 0;
  let disagreements = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const at = `${file}:${index + 1}`;
    const [kind, rule, name, expected, ...rest] = line.split('\t');
    const isRow = rule !== undefined && name !== undefined && rest.length === 0;
    if (!isRow || (kind !== 'N' && kind !== 'P') || !['yes', 'no', 'inv'].includes(expected ?? '')) {
      io.err(`${at}: write kind (N or P), rule, name and yes, no or inv, parted by tabs\n`);
      return UNUSABLE;
    }
    rows++;
    const verdict = judge(kind === 'N' ? compileMatchName(rule) : compileMatchPattern(rule, 'toFQDNs'), name);
    if (verdict === expected) continue;
    disagreements++;
    io.out(`${at}: ${kind} ${rule} ${name}: expected ${expected}, got ${verdict}\n`);
  }
  io.out(`${rows} rows, ${disagreements} disagree\n`);
  return disagreements === 0 ? ALL_MATCH : SOME_DO_NOT;
}

/** What cannot be a name on the wire cannot be asked, so nothing matches it. */
function judge(rule: NameResult, name: string): 'yes' | 'no' | 'inv' {
  if (!rule.ok) return 'inv';
  const wire = toWire(name);
  return wire !== undefined && matchesName(rule.value, wire, 0) ? 'yes' : 'no';
}

function toWire(name: string): Uint8Array | undefined {
  const wire = parseNameText(name);
  if (wire !== undefined) foldName(wire, 0, wire.length);
  return wire;
}
