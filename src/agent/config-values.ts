// How single values of the configuration are written: endpoints, ranges, durations. Says only what a text means, never where it stands.
import { isIP } from 'node:net';
import { parseAddress } from '../base/ip.ts';
import { isDnsSubdomain } from '../policy/dialects/kubernetes-names.ts';
import type { Endpoint } from '../sys/sys.ts';

const MAX_NAME = 253; // RFC 1035 §2.3.4, as text
const ZONE_LABEL = /^[a-z0-9_](?:[a-z0-9_/-]{0,61}[a-z0-9_])?$/i;
const DURATION_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `5s`, `10m`, `1h`, or a number of seconds; NaN when it is none of them. */
export function durationMs(value: string | number | boolean | null): number {
  const parts = typeof value === 'string' ? /^(\d{1,9})(ms|s|m|h)$/.exec(value) : null;
  const unit = DURATION_MS[(parts?.[2] ?? 's') as keyof typeof DURATION_MS]; // the pattern admits these only
  return (typeof value === 'number' ? value : Number(parts?.[1] ?? Number.NaN)) * unit;
}

/** `ADDRESS`, `ADDRESS:PORT`, `[V6]:PORT`; undefined when it is none of them. */
export function parseEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  const parts = isIP(text) > 0 ? [text, text] : /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const address = parseAddress(parts?.[1] ?? parts?.[2] ?? '');
  const port = Number(parts?.[3] ?? defaultPort);
  return address !== undefined && port >= 1 && port <= 65_535 ? { address, port } : undefined;
}

export function isCidr(text: string): boolean {
  const [address = '', length = '', more] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address); // isIP takes a zone; a range has none
  return family > 0 && more === undefined && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128);
}

/** A zone in lower case, without the final dot; undefined for what is none, and for `.`. */
export function canonicalZone(text: string): string | undefined {
  const zone = text.toLowerCase().replace(/\.$/, '');
  return isDnsSubdomain(zone) ? zone : undefined;
}

/**
 * A zone that names are asked of, likewise. Such names are no names of hosts: Active Directory has `_msdcs`, and parts of a reverse zone have
 * a slash (RFC 2317 §4).
 */
export function canonicalUpstreamZone(text: string): string | undefined {
  const zone = text.replace(/\.$/, '');
  const isZone = zone.length <= MAX_NAME && zone.split('.').every((label) => ZONE_LABEL.test(label));
  return isZone ? zone.toLowerCase() : undefined;
}
