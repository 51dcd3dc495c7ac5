// toPorts and icmps of Cilium: which packets they take. Types of ICMP have the names that Cilium gives them; the tests use some.
import type { CiliumPort, IcmpField } from './documents.ts';
import type { Packet } from './rule.ts';

const ICMP_NAMES: Readonly<Record<string, { readonly IPv4?: number; readonly IPv6?: number }>> = {
  EchoReply: { IPv4: 0, IPv6: 129 },
  EchoRequest: { IPv4: 8, IPv6: 128 },
  DestinationUnreachable: { IPv4: 3, IPv6: 1 },
  TimeExceeded: { IPv4: 11, IPv6: 3 },
  PacketTooBig: { IPv6: 2 },
};

export function takesPort({ port, endPort, protocol = 'ANY' }: CiliumPort, packet: Packet): boolean {
  const { protocol: asked } = packet;
  if (asked !== 'tcp' && asked !== 'udp' && asked !== 'sctp') return false;
  if (protocol !== 'ANY' && protocol.toLowerCase() !== asked) return false;
  const written = String(port);
  if (!/^[0-9]+$/.test(written)) return takesNamedPort(written.toLowerCase(), packet);
  const first = Number(written);
  return first === 0 || (first <= packet.port && packet.port <= (endPort ?? first));
}

/** A port of a pod, with the protocol that it has there. */
export function takesNamedPort(name: string, { protocol, port, pods }: Packet): boolean {
  const ports = pods.flatMap((pod) => pod.ports ?? []);
  return ports.some((each) => each.name === name && each.port === port && each.protocol.toLowerCase() === protocol);
}

export function takesIcmp({ family = 'IPv4', type }: IcmpField, { protocol, port }: Packet): boolean {
  return protocol === (family === 'IPv4' ? 'icmp' : 'icmpv6') && port === icmpType(type, family);
}

function icmpType(type: string | number, family: 'IPv4' | 'IPv6'): number {
  const written = String(type);
  const number = /^[0-9]+$/.test(written) ? Number(written) : ICMP_NAMES[written]?.[family];
  if (number === undefined) throw new Error(`The reference does not know ICMP type ${written} of ${family}`);
  return number;
}
