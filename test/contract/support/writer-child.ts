// Writes grants inside a namespace, for set-writer.test.ts and others.
import { parseAddress } from '../../../src/base/ip.ts';
import { chooseStrategy } from '../../../src/kernel/self-test.ts';
import { NetlinkSetWriter } from '../../../src/kernel/set-writer.ts';
import type { RefreshStrategy } from '../../../src/kernel/set-writer.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Sys } from '../../../src/sys/sys.ts';
import { answerCalls } from './child.ts';

export const WRITER_CHILD = import.meta.url;

interface Element {
  readonly pod: string;
  readonly address: string;
  readonly class?: number;
}

export type WriterCall =
  | { readonly do: 'choose strategy' }
  | { readonly do: 'open'; readonly strategy: RefreshStrategy; readonly bufferBytes?: number }
  | { readonly do: 'define'; readonly classIds: readonly string[] }
  | ({ readonly do: 'add'; readonly lifetimeMs: number } & Element)
  | ({ readonly do: 'remove' | 'read back' } & Element)
  | { readonly do: 'commit' }
  /** How often an acknowledgement buffer has over-run (ENOBUFS). */
  | { readonly do: 'over-runs' }
  | { readonly do: 'commit for'; readonly durationMs: number };

if (process.argv[1] === import.meta.filename) await serve();

async function serve(): Promise<void> {
  let overRuns = 0;
  const sys = countingReceives((received) => (overRuns += received === -ERRNO.ENOBUFS ? 1 : 0));
  let writer: NetlinkSetWriter | undefined;
  await answerCalls<WriterCall>((call) => {
    if (call.do === 'choose strategy') return chooseStrategy(sys);
    if (call.do === 'open') {
      overRuns = 0;
      writer?.close();
      const bufferBytes = call.bufferBytes ?? 1024 * 1024;
      writer = NetlinkSetWriter.open(sys, { table: 'namewall', strategy: call.strategy, bufferBytes });
      return null;
    }
    if (call.do === 'over-runs') return overRuns;
    if (writer === undefined) throw new Error('open first');
    return answer(writer, call);
  });
}

/** The real system, with each answer of `receive` shown to `see`. */
function countingReceives(see: (received: number) => void): Sys {
  const sys = LinuxSys.open();
  return new Proxy<Sys>(sys, {
    get(_target, name: keyof Sys) {
      if (name === 'streams') return sys.streams;
      if (name !== 'receive') return sys[name].bind(sys);
      return (...args: Parameters<Sys['receive']>) => {
        const received = sys.receive(...args);
        see(received);
        return received;
      };
    },
  });
}

type ElementCall = Exclude<WriterCall, { do: 'choose strategy' | 'open' | 'over-runs' }>;

function answer(writer: NetlinkSetWriter, call: ElementCall): unknown {
  if (call.do === 'define') return writer.define(call.classIds);
  if (call.do === 'commit') return writer.commit();
  if (call.do === 'commit for') return commitFor(writer, call.durationMs);
  const pod = bytes(call.pod);
  const address = bytes(call.address);
  const classIndex = call.class ?? 0;
  if (call.do === 'add') return writer.add(classIndex, pod, 0, address, 0, call.lifetimeMs);
  if (call.do === 'remove') return writer.remove(classIndex, pod, 0, address, 0);
  return writer.readBack(classIndex, pod, 0, address, 0);
}

/** Commits one element after the other, as fast as it can: how many were done and how many were not. */
function commitFor(writer: NetlinkSetWriter, durationMs: number): { done: number; failed: number } {
  const counts = { done: 0, failed: 0 };
  const pod = bytes('10.0.0.1');
  const address = bytes('192.0.2.0');
  for (const end = performance.now() + durationMs; performance.now() < end;) {
    address[15] = counts.done & 255;
    writer.add(0, pod, 0, address, 0, 60_000);
    if (writer.commit() === 0) counts.done++;
    else counts.failed++;
  }
  return counts;
}

function bytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is not an address`);
  return address;
}
