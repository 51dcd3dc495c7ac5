// Sets of ports: merging, membership, and the name that a set keeps over restarts.
import { createHash } from 'node:crypto';
import type { PortClass, PortProtocol, PortRange, Traffic } from './compiled.ts';

export const LAST_PORT = 65535;
const MOST_SHOWN = 8; // ports in a sentence; a policy may have many more
const MAX_ID = 40; // leaves room for the prefix in nft's listings; the kernel itself would take 255

/** Sorted by protocol and port; overlapping and adjacent ranges become one. */
export function mergePorts(ports: readonly PortRange[]): PortRange[] {
  const sorted = ports.toSorted((a, b) => compareText(a.protocol, b.protocol) || a.first - b.first);
  const merged: PortRange[] = [];
  for (const range of sorted) {
    const previous = merged.at(-1);
    if (previous === undefined || previous.protocol !== range.protocol || range.first > previous.last + 1) {
      merged.push(range);
      continue;
    }
    merged[merged.length - 1] = { ...previous, last: Math.max(previous.last, range.last) };
  }
  return merged;
}

export function portClass(ports: readonly PortRange[] | 'all'): PortClass {
  if (ports === 'all') return { id: 'any', ports };
  const merged = mergePorts(ports);
  return { id: classId(merged), ports: merged };
}

export function takesPort(traffic: Traffic, protocol: PortProtocol, port: number): boolean {
  if (traffic === 'all') return true;
  return traffic.ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}

/** What the classes open, for people: `tcp 443, udp 8000-8100`. */
export function portsText(classes: readonly PortClass[]): string {
  const texts = classes.flatMap(({ ports }) => (ports === 'all' ? ['everything'] : ports.map(rangeText)));
  const distinct = [...new Set(texts)];
  const shown = distinct.slice(0, MOST_SHOWN).join(', ');
  return distinct.length > MOST_SHOWN ? `${shown} and ${distinct.length - MOST_SHOWN} more` : shown;
}

function rangeText({ protocol, first, last }: PortRange): string {
  return `${protocol} ${first}${last === first ? '' : `-${last}`}`;
}

function classId(merged: readonly PortRange[]): string {
  const text = merged
    .map(({ protocol, first, last }) => `${protocol}${first === last ? first : `${first}to${last}`}`)
    .join('_');
  if (text.length <= MAX_ID) return text;
  return `ports_${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}

/** By UTF-16 code unit: the same order on every machine, whatever its locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
