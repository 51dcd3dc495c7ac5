import { expect, test } from 'vitest';
import { foldName } from '../../../src/dns/name.ts';
import { SPECIAL, specialName } from '../../../src/dns/special-names.ts';
import { name } from './message.ts';

const { Ordinary, Loopback, NoData, Unknown, UnknownUnlessZone } = SPECIAL;

/** As a slot holds it: folded, with other names before and behind it. */
function special(text: string): number {
  const wire = name(text);
  const names = Uint8Array.from([...name('a.localhost'), ...wire, ...name('b.onion')]);
  const start = name('a.localhost').length;
  foldName(names, start, wire.length);
  return specialName(names, start, wire.length);
}

test.each([
  ['RFC 6761 §6.3', 'localhost', Loopback],
  ['and below', 'a.b.localhost', Loopback],
  ['in any case', 'LOCALHOST', Loopback],
  ['RFC 6761 §6.4', 'invalid', Unknown],
  ['and below', 'www.invalid', Unknown],
  ['RFC 7686', 'onion', Unknown],
  ['and below', 'www.example.onion', Unknown],
  ['RFC 9476', 'alt', Unknown],
  ['and below', 'gnu.alt', Unknown],
  ['RFC 6761 §6.2', 'test', UnknownUnlessZone],
  ['and below', 'www.test', UnknownUnlessZone],
  ['RFC 6762', 'local', UnknownUnlessZone],
  ['and below', 'printer.local', UnknownUnlessZone],
  ['Kubernetes', 'cluster.local', Ordinary],
  ['and below', 'kubernetes.default.svc.cluster.local', Ordinary],
  ['a name that ends like it', 'mycluster.local', UnknownUnlessZone],
  ['RFC 9462', 'resolver.arpa', NoData],
  ['and below', '_dns.resolver.arpa', NoData],
  ['Firefox', 'use-application-dns.net', Unknown],
  ['and below', 'www.use-application-dns.net', Unknown],
  ['RFC 8880', 'ipv4only.arpa', Ordinary],
  ['RFC 8375', 'router.home.arpa', Ordinary],
  ['RFC 6303, IPv4', '1.0.0.10.in-addr.arpa', Ordinary],
  ['RFC 6303, IPv6', 'd.f.ip6.arpa', Ordinary],
  ['RFC 6761 §6.5', 'example', Ordinary],
  ['the same', 'www.example.com', Ordinary],
  ['iCloud Private Relay', 'mask.icloud.com', Ordinary],
  ['the root', '.', Ordinary],
  ['the zone above', 'arpa', Ordinary],
  ['the zone above', 'net', Ordinary],
  ['the end of a label', 'notlocalhost', Ordinary],
  ['the end of a label', 'x.myonion', Ordinary],
  ['the beginning of a label', 'locals', Ordinary],
  ['a label that is not the last', 'localhost.example.org', Ordinary],
  ['a label that is not the last', 'onion.example.org', Ordinary],
  ['a length byte inside a label', 'x\\009localhost', Ordinary],
  ['a dot inside a label', 'x\\046localhost', Ordinary],
  ['a byte above ASCII', 'local\\225', Ordinary],
  ['the most labels', `${'a.'.repeat(124)}test`, UnknownUnlessZone],
])('%s: %s', (_why, text, want) => {
  expect(special(text)).toBe(want);
});

test('no name of a few labels is special but by its end', () => {
  for (const zone of ['localhost', 'invalid', 'onion', 'alt', 'test', 'local', 'resolver.arpa']) {
    expect([special(`${zone}.example.org`), special(`x${zone}`), special(`${zone}x`)]).toEqual([0, 0, 0]);
  }
});
