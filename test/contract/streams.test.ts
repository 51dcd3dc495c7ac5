// TCP of the real kernel, over loopback: what SimulatedStreams says is what it does.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseAddress } from '../../src/base/ip.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { Peer } from '../../src/sys/streams.ts';
import type { Endpoint, Fd } from '../../src/sys/sys.ts';
import { eventually } from '../support/eventually.ts';
import { LinuxClient } from './support/linux-client.ts';
import { describeStreams } from './support/streams-rules.ts';

const ROOM = 65_536;
const OPTIONS = { transparent: false, backlog: 64 };
const sys = LinuxSys.open();
// None that anybody gets by chance while this runs: above net.ipv4.ip_local_port_range.
let port = 61_000 + (process.pid % 4_000);

describeStreams('IPv4', () => open('127.0.0.1'));
describeStreams('IPv6', () => open('::1'));

test('C10: what a client does not take the kernel forgets, too, some seconds after we have closed the connection', async () => {
  const world = open('127.0.0.1');
  const listener = sys.streams.listen(world.here, OPTIONS);
  const client = world.connect();
  client.stall();
  const fd = sys.streams.accept(listener, new Peer()) as Fd; // loopback: it waits there
  const memory = sys.allocate(ROOM);
  while (sys.streams.write(fd, memory, 0, ROOM) > 0);
  sys.close(fd);
  expect(unsent(world.here.port)).toBeGreaterThan(0);
  await eventually(() => expect(unsent(world.here.port)).toBe(0), 30_000);
  sys.close(listener);
  world.close();
});

/** Bytes that the kernel holds to be sent from a local port: proc_pid_net(5). */
function unsent(local: number): number {
  const lines = readFileSync('/proc/self/net/tcp', 'utf8').trim().split('\n').slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const ours = fields.filter(([, address = '']) => Number.parseInt(address.split(':')[1] ?? '', 16) === local);
  return ours.reduce((total, [, , , , queues = '']) => total + Number.parseInt(queues, 16), 0);
}

function open(text: string) {
  const address = parseAddress(text) ?? expect.fail(text);
  const at = (): Endpoint => ({ address, port: port++ });
  const [here, refused, silent, server] = [at(), at(), at(), at()];
  // One waits to be accepted, which is all that there is room for: the next one hears nothing.
  const fds: Fd[] = [sys.streams.listen(silent, { ...OPTIONS, backlog: 0 }), sys.streams.connect(silent)];
  fds.push(sys.streams.listen(server, OPTIONS));
  const clients: LinuxClient[] = [];
  return {
    sys,
    here,
    refused,
    silent,
    server,
    connect: () => {
      const client = new LinuxClient(sys, here);
      clients.push(client);
      return client;
    },
    close: () => {
      for (const fd of fds) sys.close(fd);
      for (const client of clients) client.close();
    },
  };
}
