import { describe, expect, test } from 'vitest';
import type { PortRange } from '../../../src/policy/compiled.ts';
import { compareText, mergePorts, portClass } from '../../../src/policy/ports.ts';

const tcp = (first: number, last = first): PortRange => ({ protocol: 'tcp', first, last });
const udp = (first: number, last = first): PortRange => ({ protocol: 'udp', first, last });

describe('mergePorts', () => {
  test.each([
    ['sorts', [tcp(2000), tcp(80)], [tcp(80), tcp(2000)]],
    ['drops what stands twice', [tcp(80), tcp(80)], [tcp(80)]],
    ['joins neighbours', [tcp(80), tcp(81)], [tcp(80, 81)]],
    ['joins overlaps', [tcp(1, 10), tcp(5, 20)], [tcp(1, 20)]],
    ['keeps the wider of two nested', [tcp(1, 100), tcp(5, 6)], [tcp(1, 100)]],
    ['keeps protocols apart', [udp(80), tcp(80)], [tcp(80), udp(80)]],
    ['keeps a gap of one', [tcp(80), tcp(82)], [tcp(80), tcp(82)]],
  ])('%s', (_why, ports, merged) => expect(mergePorts(ports)).toEqual(merged));
});

describe('portClass', () => {
  test.each([
    ['one port', [tcp(443)], 'tcp443'],
    ['two protocols', [udp(443), tcp(443)], 'tcp443_udp443'],
    ['a range', [tcp(8000, 8080)], 'tcp8000to8080'],
    ['everything', 'all' as const, 'any'],
  ])('names %s', (_why, ports, id) => expect(portClass(ports).id).toBe(id));

  test('a long list is named by its hash, whatever its order', () => {
    const ports = Array.from({ length: 20 }, (_, i) => tcp(i * 2 + 1));
    expect(portClass(ports).id).toMatch(/^ports_[0-9a-f]{12}$/);
    expect(portClass(ports.toReversed()).id).toBe(portClass(ports).id);
    expect(portClass(ports.slice(1)).id).not.toBe(portClass(ports).id);
    expect(portClass(ports.slice(0, -1)).id).not.toBe(portClass(ports).id);
  });
});

test('texts are ordered by their code units, in every locale', () => {
  expect(['b', 'B', 'a', 'ä'].toSorted(compareText)).toEqual(['B', 'a', 'b', 'ä']);
});
