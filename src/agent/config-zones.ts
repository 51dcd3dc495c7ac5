// The part of namewall.yaml that says which names live in private ranges: `internalZones`, zone by zone. Refuses what would open nothing.
import type { InternalZone } from '../datapath/settings.ts';
import { readOpenedRange } from '../kernel/opened-ranges.ts';
import type { Fields } from './config-fields.ts';
import { canonicalZone } from './config-values.ts';

/** Every answer is compared with all of them. */
const MAX_ZONES = 32;

/** `{ ZONE: RANGE, ZONE: [RANGE, …] }`; a range is a CIDR or rfc1918, ula, cgnat. */
export function readInternalZones(fields: Fields): InternalZone[] {
  if (!fields.has('internalZones')) return [];
  if (!fields.isMap('internalZones')) {
    const message = 'internalZones must be a mapping of zones to ranges, such as {corp.example: [10.20.0.0/16]}';
    fields.problem('internalZones', 'bad-type', message);
    return [];
  }
  const keys = fields.keysOf('internalZones');
  if (keys.length > MAX_ZONES) {
    const message = `Remove zones of internalZones: ${keys.length} are listed, at most ${MAX_ZONES}`;
    fields.problem('internalZones', 'bad-value', message);
  }
  const zones = fields.map('internalZones', keys);
  return keys.map((key) => {
    const zone = canonicalZone(key);
    if (zone === undefined) {
      zones.problem(key, 'bad-value', `internalZones: ${JSON.stringify(key)} is not a zone such as corp.example`);
    }
    return { zone: zone ?? key, ranges: zones.texts(key).flatMap((text) => readRange(zones, key, text)) };
  });
}

function readRange(zones: Fields, key: string, text: string): readonly string[] {
  if (text === '') return []; // no text: reported already
  const range = readOpenedRange(text);
  if (range.ok) return range.cidrs;
  zones.wrongValue(key, text, range.why);
  return [];
}
