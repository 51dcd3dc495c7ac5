// Runs in the network namespace of a client, as a process of its own: asks, connects, sends and listens. It never judges.
import { lookup } from 'node:dns/promises';
import { serveLines } from '../demo/lines.ts';
import type { ProbeCalls } from './probe-calls.ts';
import { ask } from './probe-dns.ts';
import { Listeners } from './probe-listen.ts';
import { reach } from './probe-reach.ts';

const listeners = new Listeners();

serveLines<ProbeCalls>({
  ask,
  reach,
  lookup: async ({ name }) => {
    try {
      return (await lookup(name, { all: true })).map(({ address }) => address);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  },
  listen: (listening) => listeners.open(listening),
  unlisten: (listening) => listeners.close(listening),
  heard: ({ token }) => listeners.hasHeard(token),
});
