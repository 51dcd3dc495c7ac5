import { describe, expect, test } from 'vitest';
import {
  connectionClosed,
  connectionCut,
  connectionDenied,
  connectionOpened,
  readPrefix,
} from '../../../src/audit/connection.ts';
import type { AuditedFlow, DeniedPacket, DenialContext } from '../../../src/audit/connection.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { portClass } from '../../../src/policy/ports.ts';

const NOW = Date.UTC(2026, 10, 22, 12, 3, 40);
const ENDED = -30_000;
const WEB = 0;
const DNS = 1;
const CLASSES = [
  portClass([{ protocol: 'tcp', first: 443, last: 443 }]),
  portClass([
    { protocol: 'udp', first: 53, last: 53 },
    { protocol: 'tcp', first: 8000, last: 8100 },
  ]),
  portClass('all'),
];

const bytes = (text: string): Uint8Array => {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is not an address`);
  return address;
};

const PACKET: DeniedPacket = {
  prefix: 'no-rule 0123456789ab',
  wallMs: undefined,
  protocol: 6,
  source: bytes('10.0.1.7'),
  sourcePort: 40_000,
  destination: bytes('192.0.2.8'),
  destinationPort: 443,
  icmpType: undefined,
  original: undefined,
};
const ABOUT: DenialContext = {
  pod: { uid: 'u7', namespace: 'shop', name: 'cart', labels: {}, addresses: ['10.0.1.7'] },
  names: [],
  policy: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', at: 'web.yaml:7:5' },
  nowWallMs: NOW,
  classes: CLASSES,
};

const explain = (packet: Partial<DeniedPacket>, about: Partial<DenialContext>): string =>
  connectionDenied({ ...PACKET, ...packet }, { ...ABOUT, ...about }).explanation;
const named = (name: string, leftMs: number, ...classes: number[]) => ({ name, leftMs, classes, rule: -1 });

describe('a denial', () => {
  test('is one flat object whose keys are stable', () => {
    const names = [named('api.example.org', ENDED, WEB)];
    const original = { destination: bytes('10.96.0.20'), destinationPort: 80 };
    expect(JSON.stringify(connectionDenied({ ...PACKET, original }, { ...ABOUT, names, repeats: 3 }))).toBe(
      JSON.stringify({
        time: '2026-11-22T12:03:40.000Z',
        event: 'connection.denied',
        pod: { namespace: 'shop', name: 'cart', uid: 'u7' },
        client: '10.0.1.7',
        clientPort: 40_000,
        destination: '192.0.2.8',
        destinationPort: 443,
        protocol: 'tcp',
        translatedFrom: '10.96.0.20:80',
        reason: 'no-rule',
        names: ['api.example.org'],
        explanation:
          'granted under api.example.org until 2026-11-22T12:03:10Z: the client caches beyond the TTL, raise lifetimes.grace; ' +
          'translated by Service 10.96.0.20:80',
        policy: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', rule: 'web.yaml:7:5' },
        repeats: 3,
      }),
    );
  });

  test('has the time of the packet where the kernel told it', () => {
    expect(connectionDenied({ ...PACKET, wallMs: NOW - 1_500 }, ABOUT).time).toBe('2026-11-22T12:03:38.500Z');
  });

  test('of a client that is no pod, by no rule, says null for both', () => {
    const event = connectionDenied(PACKET, { ...ABOUT, pod: undefined, policy: undefined });
    expect(event).toMatchObject({ pod: null, policy: null });
  });

  test('of an ICMP message has its type, and no ports', () => {
    const echo = { protocol: 58, icmpType: 128, sourcePort: 0, destinationPort: 0 };
    const event = connectionDenied({ ...PACKET, ...echo }, ABOUT);
    expect(event).toMatchObject({ protocol: 'icmpv6', icmpType: 128, destinationPort: 0 });
    expect(event).not.toHaveProperty('repeats');
  });

  test('of a protocol without a name has its number', () => {
    expect(connectionDenied({ ...PACKET, protocol: 47 }, ABOUT).protocol).toBe('47');
  });

  test('names eight at most, however many the pod has looked up', () => {
    const names = Array.from({ length: 1_000 }, (_, i) => named(`n${i}.example.org`, ENDED, WEB));
    const event = connectionDenied(PACKET, { ...ABOUT, names });
    expect(event.names).toHaveLength(8);
    expect(event.explanation.length).toBeLessThan(200);
  });
});

describe('the explanation', () => {
  test.each([
    [
      'a grant that has ended is the cache of the client',
      [named('api.example.org', ENDED, WEB)],
      'granted under api.example.org until 2026-11-22T12:03:10Z: the client caches beyond the TTL, raise lifetimes.grace',
    ],
    [
      'a grant that lives now came after the packet',
      [named('api.example.org', 30_000, WEB)],
      'granted under api.example.org now: the packet came before the answer, or its grant was refused',
    ],
    [
      'a grant of other ports says which',
      [named('dns.example.org', 30_000, DNS)],
      'dns.example.org opens tcp 8000-8100, udp 53 only',
    ],
    [
      'a grant of other ports, ended, would not have helped either',
      [named('dns.example.org', ENDED, DNS)],
      'dns.example.org opens tcp 8000-8100, udp 53 only',
    ],
    [
      'a name that opens this port explains more than a later one that does not',
      [named('cdn.example.net', 30_000), named('dns.example.org', 30_000, DNS), named('api.example.org', ENDED, WEB)],
      'granted under api.example.org until 2026-11-22T12:03:10Z: the client caches beyond the TTL, raise lifetimes.grace',
    ],
    [
      'a name that opens everything opens this port',
      [named('any.example.org', ENDED, 2)],
      'granted under any.example.org until 2026-11-22T12:03:10Z: the client caches beyond the TTL, raise lifetimes.grace',
    ],
    [
      'a name that no rule grants',
      [named('cdn.example.net', 30_000)],
      'resolved as cdn.example.net, which no rule allows to connect to',
    ],
    ['no name at all', [], 'never resolved by this pod: connects by address, or resolved before namewall saw it'],
  ])('%s', (_why, names, want) => {
    expect(explain({}, { names })).toBe(want);
  });

  test.each([
    ['never-granted 0123456789ab', 'in a range that no name opens (link-local)'],
    ['deny-rule 0123456789ab', 'a rule denies this destination'],
    ['not-syn 0123456789ab', 'TCP packet of no known connection'],
    ['spoofed -', "source address is not the sender's own"],
    ['unknown-pod -', 'sender is no pod that is known yet'],
    ['cut -', 'policy changed: connection cut'],
    ['source-route -', 'packet asks for a route of its own'],
    [
      'would-deny 0123456789ab',
      'let pass in audit mode: never resolved by this pod: connects by address, or resolved before namewall saw it',
    ],
    ['somebody else', 'logged by a rule that is not of this version'],
  ])('of "%s"', (prefix, want) => {
    expect(explain({ prefix }, { rangeReason: 'link-local' })).toBe(want);
  });

  test('of what a rule would deny, whatever was looked up', () => {
    const about = { isByRule: true, names: [named('api.example.org', 30_000, WEB)] };
    expect(explain({ prefix: 'would-deny' }, about)).toBe('let pass in audit mode: a rule denies this destination');
  });

  test('names the Service that translated, where it is known', () => {
    const original = { destination: bytes('2001:db8:96::20'), destinationPort: 80 };
    const text = explain({ original }, { serviceName: 'shop/web' });
    expect(text.endsWith('; translated by Service shop/web ([2001:db8:96::20]:80)')).toBe(true);
  });

  test('lists eight ports at most', () => {
    const ports = Array.from({ length: 50 }, (_, i) => ({
      protocol: 'tcp' as const,
      first: 2 * i + 1,
      last: 2 * i + 1,
    }));
    const text = explain({}, { names: [named('api.example.org', 1, 0)], classes: [portClass(ports)] });
    expect(text).toBe(
      'api.example.org opens tcp 1, tcp 3, tcp 5, tcp 7, tcp 9, tcp 11, tcp 13, tcp 15 and 42 more only',
    );
  });
});

test.each([
  ['cause and program', 'no-rule 0123456789ab', 'no-rule', '0123456789ab'],
  ['a cause before any program is known', 'spoofed -', 'spoofed', undefined],
  ['a cause alone', 'cut', 'cut', undefined],
  ['a prefix that is none of ours', 'IN=eth0 OUT=', 'unknown', undefined],
  ['none', '', 'unknown', undefined],
])('a prefix: %s', (_why, prefix, reason, programId) => {
  expect(readPrefix(prefix)).toEqual({ reason, programId });
});

describe('a connection', () => {
  const FLOW: AuditedFlow = {
    protocol: 6,
    source: bytes('10.0.1.7'),
    sourcePort: 40_000,
    destination: bytes('10.96.0.20'),
    destinationPort: 80,
    replySource: bytes('192.0.2.8'),
    replySourcePort: 8080,
    originalBytes: 1_200,
    replyBytes: 54_000,
    startedWallMs: NOW - 5_000,
    endedWallMs: NOW - 1_000,
  };
  const about = { ...ABOUT, names: [named('web.example.org', 1, WEB)] };

  test('that a rule with a description and labels lets open says both', () => {
    const details = { description: 'Payments', labels: ['k8s:team=shop'] };
    const policy = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', at: 'web.yaml:7:5', ...details };
    expect(connectionOpened(FLOW, { ...about, policy }).policy).toMatchObject(details);
  });

  test('that opens is told at its real destination, and what was asked for', () => {
    expect(connectionOpened(FLOW, about)).toEqual({
      time: '2026-11-22T12:03:35.000Z',
      event: 'connection.opened',
      pod: { namespace: 'shop', name: 'cart', uid: 'u7' },
      client: '10.0.1.7',
      clientPort: 40_000,
      destination: '192.0.2.8',
      destinationPort: 8080,
      protocol: 'tcp',
      translatedFrom: '10.96.0.20:80',
      names: ['web.example.org'],
      policy: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web', rule: 'web.yaml:7:5' },
    });
  });

  test('that nobody translated has no such key', () => {
    const plain = { ...FLOW, destination: FLOW.replySource, destinationPort: FLOW.replySourcePort };
    expect(connectionOpened(plain, about)).not.toHaveProperty('translatedFrom');
  });

  test('that closes has its duration and bytes', () => {
    const counts = { durationMs: 4_000, bytesSent: 1_200, bytesReceived: 54_000 };
    expect(connectionClosed(FLOW, about)).toMatchObject({ time: '2026-11-22T12:03:39.000Z', ...counts });
  });

  test('without accounting and times says null, unless we saw it open', () => {
    const bare = { startedWallMs: undefined, endedWallMs: undefined, originalBytes: undefined, replyBytes: undefined };
    const flow = { ...FLOW, ...bare };
    expect(connectionClosed(flow, about)).toMatchObject({ durationMs: null, bytesSent: null, bytesReceived: null });
    expect(connectionClosed(flow, about, NOW - 250)).toMatchObject({ durationMs: 250 });
  });

  test('that is cut says why, with the time of the cut', () => {
    const event = connectionCut(FLOW, about, 'policy narrowed');
    expect(event).toMatchObject({ event: 'connection.cut', reason: 'policy narrowed', destination: '192.0.2.8' });
    expect(event.time).toBe('2026-11-22T12:03:40.000Z');
  });
});
