import { describe, expect, test } from 'vitest';
import { egressOf, refused } from '../cilium-documents.ts';

const icmps = (fields: string) => `{icmps: [{fields: [${fields}]}]}`;
const forty = Array.from({ length: 40 }, (_, i) => `{type: ${i}}`).join(', ');

describe('icmps', () => {
  test.each<[why: string, fields: string, types: object[]]>([
    ['a number is of IPv4', '{type: 8}', [{ family: 4, type: 8 }]],
    ['a number as text', '{type: "0"}', [{ family: 4, type: 0 }]],
    ['the last', '{type: 255}', [{ family: 4, type: 255 }]],
    ['a name', '{type: EchoRequest}', [{ family: 4, type: 8 }]],
    ['the same name of IPv6', '{family: IPv6, type: EchoRequest}', [{ family: 6, type: 128 }]],
    [
      'several',
      '{type: 3}, {family: IPv6, type: PacketTooBig}',
      [
        { family: 4, type: 3 },
        { family: 6, type: 2 },
      ],
    ],
  ])('%s', (_why, fields, types) => {
    expect(egressOf(icmps(fields))[0]).toHaveProperty('traffic', { ports: [], icmp: types });
  });

  test('forty are taken', () => expect(refused(icmps(forty))).toEqual([]));

  test.each<[why: string, item: string, message: string]>([
    ['41', icmps(`${forty}, {type: 40}`), 'too many types, the max is 40; 41 are listed: split the entry'],
    ['a family that is none', icmps('{family: ipv4, type: 8}'), 'wrong family: "ipv4"; write IPv4 or IPv6'],
    [
      'a number beyond the last',
      icmps('{type: 256}'),
      'Cannot use ICMP type "256" of IPv4: write a number from 0 to 255',
    ],
    ['a name of the other family', icmps('{type: PacketTooBig}'), 'Cannot use ICMP type "PacketTooBig" of IPv4'],
    ['no type', icmps('{family: IPv6}'), 'Add "type" to an item of fields: it is missing'],
    ['no types', icmps(''), 'Cannot use an empty list for fields'],
    ['nothing', '{icmps: []}', 'Cannot use an empty list for icmps'],
    ['no value', '{icmps: }', 'Cannot use no value for icmps: it must be a list; list its items'],
  ])('%s is refused', (_why, item, message) => expect(refused(item)).toEqual([expect.stringContaining(message)]));
});
