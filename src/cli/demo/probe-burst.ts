// The probe's load: names of the load zone, each asked once and each connected to as soon as it is answered.
import { connect } from 'node:net';
import type { Burst, BurstOutcome } from './pod.ts';
import { encodeQuery, UdpResolver } from './probe-dns.ts';
import { CLUSTER_DNS, LOAD } from './topology.ts';

const TIMEOUT_MS = 2000;

interface Tally {
  next: number;
  answered: number;
  connected: number;
  readonly failures: Map<string, number>;
}

export async function burst(request: Burst): Promise<BurstOutcome> {
  const tally: Tally = { next: request.first, answered: 0, connected: 0, failures: new Map() };
  const start = performance.now();
  await Promise.all(Array.from({ length: request.parallel }, () => runWorker(request, tally)));
  return {
    answered: tally.answered,
    connected: tally.connected,
    failures: Object.fromEntries(tally.failures),
    seconds: (performance.now() - start) / 1000,
  };
}

/** Takes the next name until none is left. Its socket is its own, so that it has one exchange at a time. */
async function runWorker(request: Burst, tally: Tally): Promise<void> {
  const resolver = await UdpResolver.open(request.server ?? CLUSTER_DNS.v4);
  while (tally.next < request.first + request.count) await runOne(request, resolver, tally);
  resolver.close();
}

async function runOne({ type, port }: Burst, resolver: UdpResolver, tally: Tally): Promise<void> {
  const name = `n${tally.next++}.${LOAD.zone}`;
  const asked = await resolver.exchange(encodeQuery({ name, type }), TIMEOUT_MS);
  if (asked.outcome !== 'answered') return count(tally, `ask ${asked.outcome}`);
  const [address] = asked.addresses;
  if (address === undefined) return count(tally, `ask ${asked.rcode}`);
  tally.answered++;
  if (port === null) return;
  const failure = await tryConnect(address, port);
  if (failure !== null) return count(tally, `connect ${failure}`);
  tally.connected++;
}

function tryConnect(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (failure: string | null): void => {
      clearTimeout(timer);
      socket.resetAndDestroy(); // a FIN would leave tens of thousands of TIME_WAIT behind
      resolve(failure);
    };
    const timer = setTimeout(() => finish('silent'), TIMEOUT_MS);
    socket.on('connect', () => finish(null));
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  });
}

function count(tally: Tally, failure: string): void {
  tally.failures.set(failure, (tally.failures.get(failure) ?? 0) + 1);
}
