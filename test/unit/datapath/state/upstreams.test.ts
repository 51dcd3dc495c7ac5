import { expect, test } from 'vitest';
import type { UpstreamZone } from '../../../../src/datapath/settings.ts';
import { NO_SERVER } from '../../../../src/datapath/state/upstream-servers.ts';
import { Upstreams } from '../../../../src/datapath/state/upstreams.ts';
import { formatName, parseNameText } from '../../../../src/dns/name.ts';
import type { Endpoint } from '../../../../src/sys/sys.ts';
import { poolOf, server, SOCKETS, SocketWorld } from './upstreams-world.ts';

const A = server('192.0.2.1');
const B = server('192.0.2.2');
const C = server('192.0.2.3');
const LISTENER = server('10.96.0.10');

const zone = (name: string, ...servers: Endpoint[]): UpstreamZone => ({ zone: name, servers });

function begin(): { world: SocketWorld; upstreams: Upstreams } {
  const world = new SocketWorld();
  return { world, upstreams: new Upstreams(world.sys, poolOf(), [LISTENER]) };
}

/** Upstreams with the root and `corp.example`, and their system. */
function opened(): { world: SocketWorld; upstreams: Upstreams } {
  const { world, upstreams } = begin();
  upstreams.replace([zone('.', A, B), zone('corp.example', C)], world.watch);
  return { world, upstreams };
}

/** The server that a name is asked of first, or why it is asked of none. */
function askedOf(upstreams: Upstreams, text: string): Endpoint | string {
  const wire = parseNameText(text) ?? expect.fail(text);
  // As in a slot: behind other names.
  const bytes = new Uint8Array(300).fill(1);
  bytes.set(wire, 40);
  const found = upstreams.zoneOf(bytes, 40, wire.length);
  if (found === undefined) return 'no zone';
  if (found.preferred === NO_SERVER) return 'no server';
  return [A, B, C].find((each) => upstreams.servers.find(each) === found.preferred) ?? 'somebody else';
}

test.each([
  ['a zone itself', 'corp.example', 'corp.example'],
  ['what is below it', 'a.b.corp.example', 'corp.example'],
  ['the longest zone, wherever it stands in the list', 'x.deep.corp.example', 'deep.corp.example'],
  ['a sibling of the longest zone', 'deeper.corp.example', 'corp.example'],
  ['a label that only ends like it', 'xcorp.example', '.'],
  ['a label that ends in the zone, length byte included', 'x\\004corp\\007example', '.'],
  ['the same below a top label', 'x\\004corp.example', '.'],
  ['a name that only begins like it', 'corp.example.org', '.'],
  ['a name shorter than it', 'example', '.'],
  ['the root', '.', '.'],
])('%s: %s is in zone %s', (_why, name, want) => {
  const { world, upstreams } = begin();
  upstreams.replace([zone('.', A), zone('CORP.example.', A), zone('deep.corp.example', A)], world.watch);
  const wire = parseNameText(name) ?? expect.fail(name);
  expect(formatName(upstreams.zoneOf(wire, 0, wire.length)?.name ?? expect.fail('no zone'))).toBe(want);
});

test('a name that no zone covers is asked of nobody, and so is one of a zone without servers', () => {
  const { world, upstreams } = begin();
  upstreams.replace([zone('corp.example'), zone('example', A)], world.watch);
  expect(askedOf(upstreams, 'example.org')).toBe('no zone');
  expect(askedOf(upstreams, '.')).toBe('no zone');
  expect(askedOf(upstreams, 'www.corp.example')).toBe('no server');
  expect(askedOf(upstreams, 'www.example')).toEqual(A);
});

test('a server of several zones, or named twice, has its sockets once', () => {
  const { world, upstreams } = begin();
  upstreams.replace([zone('.', A, A), zone('corp.example', B, A)], world.watch);
  expect(world.connected.map(({ remote }) => remote)).toEqual(
    [A, B].flatMap((each) => Array.from({ length: SOCKETS }, () => each)),
  );
  const place = upstreams.servers.find(A);
  expect(upstreams.zoneOf(new Uint8Array(1), 0, 1)?.after(place)).toBe(place);
});

test('the first eight servers of a zone are used', () => {
  const { world, upstreams } = begin();
  const many = Array.from({ length: 100 }, (_, i) => server(`198.51.100.${i}`));
  upstreams.replace([zone('.', ...many), zone('corp.example', A)], world.watch);
  expect(world.open.size).toBe((8 + 1) * SOCKETS);
  expect(upstreams.servers.find(many[8]!)).toBe(NO_SERVER);
});

test.each([
  ['a text that is no name', [zone('corp..example', A)], 'bad-zone', 'upstream zone "corp..example": it is no name'],
  ['a zone given twice', [zone('x.example', A), zone('X.example.', B)], 'bad-zone', '"X.example.": it is given twice'],
  [
    'one of our own listeners',
    [zone('.', A, LISTENER)],
    'own-listener',
    '"10.96.0.10 port 53": namewall listens there',
  ],
  ['more than 16 zones', Array.from({ length: 17 }, (_, i) => zone(`z${i}`, A)), 'too-many', '17 upstream zones'],
])('%s is refused at the start and later, and changes nothing', (_why, zones, code, message) => {
  const first = begin();
  expect(() => first.upstreams.replace(zones, first.world.watch)).toThrow(expect.objectContaining({ code }));
  expect(first.world.open.size).toBe(0);
  const { world, upstreams } = opened();
  const before = [...world.watched];
  expect(() => upstreams.replace(zones, world.watch)).toThrow(message);
  expect([...world.watched]).toEqual(before);
  expect(askedOf(upstreams, 'www.corp.example')).toEqual(C);
});

test('another port of our own address is no listener of ours', () => {
  const { world, upstreams } = begin();
  upstreams.replace([zone('.', server('10.96.0.10', 5353))], world.watch);
  expect(world.open.size).toBe(SOCKETS);
});

test('servers that no route leads to are left out of their zones and named once, and the others serve', () => {
  const { world, upstreams } = begin();
  world.refusedServers.set(1, 'ENETUNREACH');
  upstreams.replace([zone('.', A, B), zone('corp.example', A)], world.watch);
  expect(upstreams.unreachable).toEqual(['192.0.2.1 port 53: ENETUNREACH']);
  expect(askedOf(upstreams, 'example.org')).toEqual(B);
  expect(askedOf(upstreams, 'www.corp.example')).toBe('no server');
});

test('a server that was left out is tried again by the next replacement', () => {
  const { world, upstreams } = begin();
  world.refusedServers.set(1, 'EHOSTUNREACH');
  upstreams.replace([zone('.', A, B)], world.watch);
  world.refusedServers.clear();
  upstreams.replace([zone('.', A, B)], world.watch);
  expect(upstreams.unreachable).toEqual([]);
  expect(upstreams.servers.find(A)).not.toBe(NO_SERVER);
});

test('where no route leads to any server there is none to ask, at a start as later: routes may come after us', () => {
  const code = 'ENETUNREACH';
  const first = begin();
  first.world.refusedServers.set(1, code);
  first.upstreams.replace([zone('.', A)], first.world.watch);
  expect(first.upstreams.unreachable).toEqual([`192.0.2.1 port 53: ${code}`]);
  expect(askedOf(first.upstreams, 'example.org')).toBe('no server');
  const { world, upstreams } = begin();
  upstreams.replace([zone('.', A)], world.watch);
  world.refusedServers.set(2, code);
  upstreams.replace([zone('.', B)], world.watch);
  expect(askedOf(upstreams, 'example.org')).toBe('no server');
});

test('a start without any server is none that fails: endpoints may come later', () => {
  const { world, upstreams } = begin();
  upstreams.replace([zone('.')], world.watch);
  upstreams.replace([zone('.', A)], world.watch);
  expect(askedOf(upstreams, 'example.org')).toEqual(A);
});

test('servers that stay keep their sockets, those that go are closed, new ones are opened', () => {
  const { world, upstreams } = opened();
  const stayed = world.connected.filter(({ remote }) => remote === B);
  upstreams.replace([zone('.', B, C)], world.watch);
  upstreams.servers.closeIdle(world.watch);
  expect(world.connected.filter(({ remote }) => remote === B)).toEqual(stayed);
  expect(upstreams.servers.find(A)).toBe(NO_SERVER);
  expect(askedOf(upstreams, 'www.corp.example')).toEqual(B);
  upstreams.replace([zone('.', A)], world.watch);
  upstreams.servers.closeIdle(world.watch);
  expect(world.connected.map(({ remote }) => remote)).toEqual(Array.from({ length: SOCKETS }, () => A));
});

test('a zone that is replaced goes on with the server that it prefers by then; another zone knows nothing of that', () => {
  const { world, upstreams } = begin();
  upstreams.replace([zone('.', A, B), zone('corp.example', A, B)], world.watch);
  const root = upstreams.zoneOf(new Uint8Array(1), 0, 1);
  for (let i = 0; i < 3; i++) root?.failed(upstreams.servers.find(A));
  upstreams.replace([zone('corp.example', A, C, B), zone('.', A, C, B)], world.watch);
  expect(askedOf(upstreams, 'example.org')).toEqual(B);
  expect(askedOf(upstreams, 'www.corp.example')).toEqual(A);
});

test('a replacement for which the system lacks something changes nothing', () => {
  const { world, upstreams } = opened();
  const before = [...world.watched];
  world.room = world.open.size + SOCKETS + 3;
  const wanted = [zone('.', server('192.0.2.8'), server('192.0.2.9'))];
  expect(() => upstreams.replace(wanted, world.watch)).toThrow(expect.objectContaining({ code: 'EMFILE' }));
  upstreams.servers.closeIdle(world.watch);
  expect([...world.watched]).toEqual(before);
  expect(askedOf(upstreams, 'example.org')).toEqual(A);
});
