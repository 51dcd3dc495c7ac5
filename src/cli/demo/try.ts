// For people in a demo that was kept: `node try.ts NAME [PORT]`, run in a pod's namespace, asks for NAME and connects.
import { describeAsked, describeConnected } from './observe.ts';
import { ask } from './probe-dns.ts';
import { closeConnection, openConnection } from './probe-tcp.ts';

const [name = 'api.example.org', port = '443'] = process.argv.slice(2);

for (const type of ['A', 'AAAA']) {
  const asked = await ask({ name, type });
  process.stdout.write(`${type} ${name} → ${describeAsked(asked)}\n`);
  for (const ip of asked.outcome === 'answered' ? asked.addresses : []) {
    const seen = await openConnection({ ip, port: Number(port) });
    process.stdout.write(`  ${ip} port ${port} → ${describeConnected(seen)}\n`);
    if (seen.outcome === 'connected') closeConnection(seen.connection);
  }
}
