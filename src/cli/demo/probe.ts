// Runs in a pod's namespace: asks, connects, holds connections open, sends load. It judges nothing; it says what happened.
import { createSocket } from 'node:dgram';
import { serveLines } from './lines.ts';
import type { Echoed, ProbeCalls } from './pod.ts';
import { burst } from './probe-burst.ts';
import { ask, rejected, silent } from './probe-dns.ts';
import { closeConnection, DEFAULT_TIMEOUT_MS, echo, openConnection, type Target } from './probe-tcp.ts';

serveLines<ProbeCalls>({
  ask,
  burst,
  connect: openConnection,
  echo: ({ connection, timeoutMs }) => echo(connection, timeoutMs),
  close: ({ connection }) => (closeConnection(connection), null),
  datagram,
});

function datagram({ ip, port, from, timeoutMs = DEFAULT_TIMEOUT_MS }: Target): Promise<Echoed> {
  const start = performance.now();
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const finish = (echoed: Echoed): void => {
      clearTimeout(timer);
      socket.removeAllListeners('message').close();
      resolve(echoed);
    };
    const timer = setTimeout(() => finish(silent(start)), timeoutMs);
    socket.once('error', (error) => finish(rejected(error, start)));
    socket.once('message', () => finish({ outcome: 'echoed', ms: performance.now() - start }));
    // Connected, so that an ICMP error reaches us.
    socket.bind({ port: 0, ...(from === undefined ? {} : { address: from }) }, () =>
      socket.connect(port, ip, () => socket.send('datagram')),
    );
  });
}
