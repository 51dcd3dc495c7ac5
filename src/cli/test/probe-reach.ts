// The probe's connections and datagrams: all addresses at once, done when one is reached or the last has failed.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { TYPE } from '../../dns/codes.ts';
import type { ProbeCalls, Reached } from './probe-calls.ts';
import { encode } from './probe-dns.ts';

type Request = ProbeCalls['reach']['request'];
/** One address: null when it was reached, else `silent` or an errno. */
type Try = (address: string, request: Request) => { readonly why: Promise<string | null>; stop(): void };

const DNS_PORT = 53;

export async function reach(request: Request): Promise<Reached> {
  const attempt: Try = request.protocol === 'tcp' ? tryTcp : tryUdp;
  const failures: { address: string; why: string }[] = [];
  const tries = request.addresses.map((address) => ({ address, ...attempt(address, request) }));
  const { promise: reached, resolve } = Promise.withResolvers<string | null>();
  const all = tries.map(async ({ address, why }) => {
    const failure = await why;
    if (failure === null) resolve(address);
    else failures.push({ address, why: failure });
  });
  void Promise.all(all).then(() => resolve(null));
  const address = await reached;
  for (const each of tries) each.stop();
  return { address, failures };
}

function tryTcp(host: string, { port, timeoutMs }: Request): ReturnType<Try> {
  const { promise: why, resolve } = Promise.withResolvers<string | null>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => resolve('silent'), timeoutMs);
  socket.on('connect', () => resolve(null));
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  return { why, stop: () => (clearTimeout(timer), socket.destroy()) };
}

function tryUdp(host: string, { port, token, timeoutMs }: Request): ReturnType<Try> {
  const { promise: why, resolve } = Promise.withResolvers<string | null>();
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const timer = setTimeout(() => resolve('silent'), timeoutMs);
  const fail = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message);
  socket.on('error', fail);
  socket.on('message', () => resolve(null));
  // A DNS server answers nothing but a query.
  const payload = port === DNS_PORT ? encode('.', TYPE.NS).query : token;
  // Connected: an ICMP error is told at once.
  socket.connect(port, host, (error?: Error) => (error ? fail(error) : socket.send(payload)));
  return { why, stop: () => (clearTimeout(timer), socket.removeAllListeners('message').close()) };
}
