// TCP of the real kernel, over loopback: what SimulatedStreams says is what it does.
import { expect } from 'vitest';
import { parseAddress } from '../../src/base/ip.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import type { Endpoint, Fd } from '../../src/sys/sys.ts';
import { LinuxClient } from './support/linux-client.ts';
import { describeStreams } from './support/streams-rules.ts';

const OPTIONS = { transparent: false, backlog: 64 };
const sys = LinuxSys.open();
// None that anybody gets by chance while this runs: above net.ipv4.ip_local_port_range.
let port = 61_000 + (process.pid % 4_000);

describeStreams('IPv4', () => open('127.0.0.1'));
describeStreams('IPv6', () => open('::1'));

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
