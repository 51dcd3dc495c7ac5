import { describe, expect, test } from 'vitest';
import { egressOf, inCluster, refused } from '../cilium-documents.ts';

const cidr = (text: string, ...except: string[]) => ({ kind: 'cidr', cidr: text, except, isOutside: true });

describe('toCIDR and toCIDRSet', () => {
  test.each<[why: string, item: string, to: object[]]>([
    [
      'ranges of both families',
      '{toCIDR: [192.0.2.0/24, "2001:db8::/32"]}',
      [cidr('192.0.2.0/24'), cidr('2001:db8::/32')],
    ],
    [
      'items of a set',
      '{toCIDRSet: [{cidr: 192.0.2.0/24}, {cidr: 198.51.100.0/24}]}',
      [cidr('192.0.2.0/24'), cidr('198.51.100.0/24')],
    ],
    [
      'exceptions',
      '{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28, 192.0.2.255/32]}]}',
      [cidr('192.0.2.0/24', '192.0.2.0/28', '192.0.2.255/32')],
    ],
    [
      'an exception that is all of it',
      '{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/24]}]}',
      [cidr('192.0.2.0/24', '192.0.2.0/24')],
    ],
  ])('%s', (_why, item, to) => expect(egressOf(item)[0]).toHaveProperty('to', to));

  test.each<[why: string, item: string, message: string]>([
    [
      'an address alone',
      '{toCIDR: [192.0.2.1]}',
      'Cannot use "192.0.2.1" as a CIDR: write "192.0.2.1/32" for it alone',
    ],
    ['what is no CIDR', '{toCIDR: [example.org]}', 'Cannot use "example.org" as a CIDR: write ADDRESS/LENGTH'],
    ['IPv4 in IPv6', '{toCIDR: ["::ffff:192.0.2.0/120"]}', 'such packets leave as IPv4'],
    [
      'an item without range',
      '{toCIDRSet: [{except: [192.0.2.0/28]}]}',
      'one of cidr, cidrGroupRef, or cidrGroupSelector is required',
    ],
    [
      'a range and a group',
      '{toCIDRSet: [{cidr: 192.0.2.0/24, cidrGroupRef: partners}]}',
      'more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set; write an item for each',
    ],
    [
      'a group by name and by labels',
      '{toCIDRSet: [{cidrGroupRef: partners, cidrGroupSelector: {matchLabels: {a: b}}}]}',
      'more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set',
    ],
    [
      'an exception outside',
      '{toCIDRSet: [{cidr: 192.0.2.0/24, except: [198.51.100.0/28]}]}',
      'allow CIDR prefix 192.0.2.0/24 does not contain exclude CIDR prefix "198.51.100.0/28"',
    ],
    [
      'one that is larger',
      '{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.0.0/16]}]}',
      'allow CIDR prefix 192.0.2.0/24 does not contain exclude CIDR prefix "192.0.0.0/16"',
    ],
    [
      'one of the other family',
      '{toCIDRSet: [{cidr: 0.0.0.0/0, except: ["2001:db8::/64"]}]}',
      'allow CIDR prefix 0.0.0.0/0 does not contain exclude CIDR prefix "2001:db8::/64"',
    ],
    ['no exceptions', '{toCIDRSet: [{cidr: 192.0.2.0/24, except: []}]}', 'Cannot use an empty list for except'],
  ])('%s is refused', (_why, item, message) => expect(refused(item)).toEqual([expect.stringContaining(message)]));

  test.each(['cidrGroupRef: partners', 'cidrGroupSelector: {matchLabels: {a: b}}'])(
    'in a cluster groups are not read: %s',
    (group) => {
      expect(inCluster(`{endpointSelector: {}, egress: [{toCIDRSet: [{${group}}]}]}`).messages).toEqual([
        expect.stringContaining('CiliumCIDRGroup objects are not read in a cluster; list the ranges'),
      ]);
    },
  );
});
