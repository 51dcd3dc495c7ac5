// Reads our table back inside a namespace, and watches it, for table-dump.test.ts, fingerprint.test.ts and libnftables.test.ts.
import { execFileSync } from 'node:child_process';
import { assertNever } from '../../../src/base/errors.ts';
import { formatAddress } from '../../../src/base/ip.ts';
import { KernelWatch } from '../../../src/datapath/kernel-watch.ts';
import { fingerprint } from '../../../src/kernel/fingerprint.ts';
import { readElements, readGrants, readNames } from '../../../src/kernel/table-dump.ts';
import { TableReader } from '../../../src/kernel/table-reader.ts';
import { Libnftables } from '../../../src/sys/libnftables.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import type { Sys } from '../../../src/sys/sys.ts';
import { answerCalls } from './child.ts';

export const DUMP_CHILD = import.meta.url;

export type DumpCall =
  | { readonly do: 'names' | 'grants' | 'fingerprint' | 'watch' }
  | { readonly do: 'elements'; readonly set: string }
  /** The third byte of the keys that are listed, each once, while the nft commands `meanwhile` run, one before each of the first reads of the socket. */
  | { readonly do: 'third bytes interrupted'; readonly set: string; readonly meanwhile: readonly string[] }
  /** The fingerprint while the nft command `meanwhile` runs before every read of the socket. */
  | { readonly do: 'fingerprint interrupted'; readonly meanwhile: string }
  | { readonly do: 'nft'; readonly text: string };

export interface WatchAnswer {
  readonly seen: number;
  readonly isTouched: boolean;
}

const TABLE = 'namewall';
const GRANTS = new Set(['grants4_web', 'grants6_web']);
const isVolatile = (set: string): boolean => GRANTS.has(set);

if (process.argv[1] === import.meta.filename) await serve();

async function serve(): Promise<void> {
  const sys = LinuxSys.open();
  const reader = TableReader.open(sys, TABLE);
  const watch = KernelWatch.open(sys, TABLE);
  const library = Libnftables.open();
  await answerCalls<DumpCall>((call): unknown => {
    switch (call.do) {
      case 'names':
        return readNames(reader);
      case 'grants':
        return readGrants(reader).map(({ pod, destination, ...rest }) => {
          return { ...rest, pod: formatAddress(pod), destination: formatAddress(destination) };
        });
      case 'elements':
        return readElements(reader, call.set).map(({ key, ...rest }) => ({ ...rest, key: [...key].join('.') }));
      case 'fingerprint':
        return fingerprint(reader, isVolatile);
      case 'watch': {
        const seen = watch.read(GRANTS);
        return { seen, isTouched: watch.isTouched } satisfies WatchAnswer;
      }
      case 'third bytes interrupted': {
        const commands = [...call.meanwhile];
        return thirdBytes(
          disturbed(sys, () => commands.shift()),
          call.set,
        );
      }
      case 'fingerprint interrupted':
        return fingerprint(
          disturbed(sys, () => call.meanwhile),
          isVolatile,
        );
      case 'nft':
        return library === undefined ? 'not installed' : library.run(call.text);
      default:
        return assertNever(call);
    }
  });
}

function thirdBytes(reader: TableReader, set: string): number[] {
  const found = new Set(readElements(reader, set).map(({ key }) => key[2] ?? 0));
  reader.close();
  return [...found];
}

/** A reader for which an nft command is run before each read of its socket. */
function disturbed(sys: Sys, command: () => string | undefined): TableReader {
  const receive: Sys['receive'] = (...args) => {
    const input = command();
    if (input !== undefined) execFileSync('nft', ['-f', '-'], { input: `${input}\n` });
    return sys.receive(...args);
  };
  const other = new Proxy<Sys>(sys, {
    get: (_target, name: keyof Sys) => {
      if (name === 'streams') return sys.streams;
      return name === 'receive' ? receive : sys[name].bind(sys);
    },
  });
  return TableReader.open(other, TABLE);
}
