// Reads connections, their events and logged packets inside a namespace, for conntrack.test.ts and packet-log.test.ts.
import { assertNever } from '../../../src/base/errors.ts';
import { formatAddress } from '../../../src/base/ip.ts';
import { ConntrackEvents } from '../../../src/kernel/conntrack-events.ts';
import type { Flow } from '../../../src/kernel/conntrack-flow.ts';
import { Conntrack } from '../../../src/kernel/conntrack.ts';
import { PacketLog } from '../../../src/kernel/packet-log.ts';
import type { LoggedPacket } from '../../../src/kernel/packet-log.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import { answerCalls } from './child.ts';

export const FLOWS_CHILD = import.meta.url;

export type FlowsCall =
  | { readonly do: 'open'; readonly eventBytes?: number }
  /** `port`: the original destination's. The flows are kept for `delete`. */
  | { readonly do: 'flows'; readonly port: number }
  /** Deletes the flows that `flows` found last: how many went. */
  | { readonly do: 'delete' }
  | { readonly do: 'events'; readonly limit?: number }
  /** Answers whether it tells original destinations, or the error's message. */
  | { readonly do: 'open log'; readonly group: number; readonly bufferBytes?: number }
  | { readonly do: 'packets'; readonly limit?: number };

/** Addresses as text. */
export type Shown<T> = { readonly [K in keyof T]: T[K] extends Uint8Array ? string : T[K] };

if (process.argv[1] === import.meta.filename) await serve();

async function serve(): Promise<void> {
  const sys = LinuxSys.open();
  const conntrack = Conntrack.open(sys);
  let events: ConntrackEvents | undefined;
  let log: PacketLog | undefined;
  let found: Flow[] = [];
  await answerCalls<FlowsCall>((call): unknown => {
    switch (call.do) {
      case 'open':
        events?.close();
        events = ConntrackEvents.open(sys, call.eventBytes ?? 4 * 1024 * 1024);
        return null;
      case 'flows':
        found = conntrack.flows((flow) => flow.destinationPort === call.port);
        return found.map(show);
      case 'delete':
        return found.reduce((gone, flow) => gone + conntrack.delete(flow), 0);
      case 'events': {
        const seen: unknown[] = [];
        const read = events?.read((kind, flow) => seen.push({ kind, ...show(flow) }), call.limit ?? 1_000);
        return { ...read, seen };
      }
      case 'open log':
        try {
          log = PacketLog.open(sys, call.group, call.bufferBytes ?? 1024 * 1024);
          return log.tellsOriginal;
        } catch (error) {
          return error instanceof Error ? error.message : null;
        }
      case 'packets': {
        const seen: Shown<LoggedPacket>[] = [];
        const read = log?.read((packet) => seen.push(show(packet)), call.limit ?? 1_000);
        return { ...read, seen };
      }
      default:
        return assertNever(call);
    }
  });
}

function show<T extends object>(value: T): Shown<T> {
  const entries = Object.entries(value).map(([key, part]: [string, unknown]) => [key, showPart(part)]);
  return Object.fromEntries(entries) as Shown<T>; // the same keys, with text for bytes
}

function showPart(part: unknown): unknown {
  if (part instanceof Uint8Array) return part.length === 16 ? formatAddress(part) : null;
  return typeof part === 'object' && part !== null ? show(part) : part;
}
