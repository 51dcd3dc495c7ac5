import { expect, test } from 'vitest';
import { readDestination } from '../../../../src/cli/explain/destination.ts';

test.each<[why: string, written: string, text: string]>([
  ['a name with port and protocol', 'api.example.org:443/tcp', 'api.example.org:443/tcp'],
  ['TCP unless it says so', 'api.example.org:443', 'api.example.org:443/tcp'],
  ['UDP', 'api.example.org:443/udp', 'api.example.org:443/udp'],
  ['an IPv4 address', '192.0.2.1:53/udp', '192.0.2.1:53/udp'],
  ['an IPv6 address in brackets', '[2001:db8::1]:443', '[2001:db8::1]:443/tcp'],
  ['a protocol as policies write it', 'api.example.org:53/UDP', 'api.example.org:53/udp'],
  ['a name with numbers', '1.2.3.4.example.org:443', '1.2.3.4.example.org:443/tcp'],
  ['a URL has the port of its scheme', 'https://api.example.org/a/b?c', 'api.example.org:443/tcp'],
  ['the other scheme', 'http://192.0.2.1', '192.0.2.1:80/tcp'],
  ['or its own', 'https://api.example.org:8443/', 'api.example.org:8443/tcp'],
  ['who is asked, too', 'ssh://git@api.example.org/a', 'api.example.org:22/tcp'],
  ['ping', '192.0.2.1/icmp', '192.0.2.1:8/icmp'],
  ['ping over IPv6', '2001:db8::1/icmpv6', '[2001:db8::1]:128/icmpv6'],
  ['a type of ICMP', '192.0.2.1:3/icmp', '192.0.2.1:3/icmp'],
  ['a protocol by its number', '192.0.2.1/47', '192.0.2.1:0/47'],
])('%s: %s', (_why, written, text) => {
  expect(readDestination(written)).toMatchObject({ text });
});

test.each<[why: string, written: string, says: string]>([
  ['no port', 'api.example.org', 'write the port'],
  ['no port of an address', '192.0.2.1', 'write the port'],
  ['a port that is none', 'api.example.org:65536', '"65536" is no port'],
  ['port 0', 'api.example.org:0', '"0" is no port'],
  ['a protocol that is none', 'api.example.org:1/quic', '"quic" is no protocol'],
  ['a type that is none', '192.0.2.1:256/icmp', 'no type of icmp'],
  ['a pattern', '*.example.org:443', 'neither a name nor an address'],
  ['a mail address', 'a@example.org:25', 'neither a name nor an address'],
  ['a scheme whose port nobody knows', 'x-y://example.org', 'write the port'],
  ['an address as one number', 'http://2852039166/', 'is no name'],
  ['one in hexadecimal', '0xA9FEA9FE:80', 'is no name'],
  ['one in octal', '0251.0376.0251.0376:80', 'is no name'],
  ['one of three numbers', '169.254.43518:80', 'is no name'],
  ['one with a final dot', '169.254.169.254.:80', 'is no name'],
  ['nothing', ':443', 'neither a name nor an address'],
  ['a name with a blank', 'a b:443', 'neither a name nor an address'],
])('%s is refused: %s', (_why, written, says) => {
  expect(readDestination(written)).toContain(says);
});
