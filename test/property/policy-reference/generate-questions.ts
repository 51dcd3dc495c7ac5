// Random destinations and queries: owners of addresses, the edges of every range that policies name, and what lies beside them.
import * as fc from 'fast-check';
import { edgesOf } from './addresses.ts';
import { CIDRS, NAMED_PORTS, NAMES, PORTS } from './generate-parts.ts';
import { BRIDGE_ADDRESS, HOST_ADDRESSES, OWNED_ADDRESSES } from './generate-world.ts';
import type { Destination, Transport } from './world.ts';

const PLACES = [
  ...OWNED_ADDRESSES,
  ...CIDRS.flatMap(edgesOf),
  '127.0.0.1',
  '169.254.169.254',
  '198.51.100.65',
  '203.0.113.1',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::c000:201',
  '64:ff9b:1::a9fe:a9fe',
  '64:ff9b:1::c000:201',
  '2001:db8:f::1',
  'fe80::1',
];

const portNumber = fc.constantFrom(
  ...new Set([...PORTS, ...NAMED_PORTS.map(({ port }) => port), 1, 79, 81, 444, 1024, 5432, 65535]),
);
const names = fc.oneof(
  { weight: 3, arbitrary: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 }) },
  fc.constant([]),
);

function traffic(isIPv6: boolean): fc.Arbitrary<Pick<Destination, 'protocol' | 'port'>> {
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ protocol: fc.constantFrom('tcp' as const, 'tcp', 'udp', 'sctp'), port: portNumber }),
    },
    fc.record({
      protocol: fc.constant(isIPv6 ? ('icmpv6' as const) : 'icmp'),
      port: fc.constantFrom(0, 3, 8, 11, 53, 128),
    }),
    fc.constant({ protocol: 47, port: 0 }),
  );
}

export const destinations: fc.Arbitrary<Destination> = fc
  .oneof(fc.constantFrom(...PLACES), fc.constantFrom(...OWNED_ADDRESSES))
  .chain((address) => fc.tuple(fc.constant(address), traffic(address.includes(':')), names))
  .map(([address, packet, resolved]) => ({
    address,
    ...packet,
    isHost: [...HOST_ADDRESSES, BRIDGE_ADDRESS].includes(address),
    names: resolved,
  }));

export const queries: fc.Arbitrary<{ readonly name: string; readonly transport: Transport }> = fc.record({
  name: fc.constantFrom(...NAMES),
  transport: fc.constantFrom('udp' as const, 'tcp'),
});
