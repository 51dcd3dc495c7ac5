// SVCB and HTTPS records of scenarios as text (RFC 9460 §2.1, written `PRIORITY TARGET key=value;key=value`, `-` for no parameters), in both
// directions. Written apart from src/dns, and refusing what a strict client refuses.
import { formatAddress, parseAddress } from '../../src/base/ip.ts';
import { ascii, name, option, u16 } from '../unit/dns/message.ts';
import type { Bytes } from '../unit/dns/message.ts';

const KEYS = ['mandatory', 'alpn', 'no-default-alpn', 'port', 'ipv4hint', 'ech', 'ipv6hint'];

/** The parameters in the order in which they are written, right or wrong. */
export function serviceRdata(priority: string, target: string, parameters: string): Bytes {
  const all = parameters === '-' ? [] : parameters.split(';');
  return [...u16(Number(priority)), ...name(target), ...all.flatMap(parameterBytes)];
}

export interface Service {
  readonly text: string;
  readonly hints: readonly string[];
}

/** Undefined for a record that is malformed. */
export function readService(rdata: Buffer, target: string, targetBytes: number): Service | undefined {
  const parts: string[] = [];
  const hints: string[] = [];
  const keys: number[] = [];
  let mandatory: number[] = [];
  let at = 2 + targetBytes;
  while (at < rdata.length) {
    if (at + 4 > rdata.length) return undefined;
    const [key, length] = [rdata.readUInt16BE(at), rdata.readUInt16BE(at + 2)];
    const value = rdata.subarray(at + 4, at + 4 + length);
    if (value.length < length || key <= (keys.at(-1) ?? -1)) return undefined;
    keys.push(key);
    at += 4 + length;
    if (key === 0) mandatory = pairs(value);
    if (key === 4 || key === 6) {
      const size = key === 4 ? 4 : 16;
      if (length === 0 || length % size !== 0) return undefined;
      for (let i = 0; i < length; i += size) hints.push(addressText(value.subarray(i, i + size)));
    }
    parts.push(parameterText(key, value));
  }
  if (keys[0] === 0 && mandatory.length === 0) return undefined;
  if (mandatory.some((key) => key === 0 || !keys.includes(key))) return undefined;
  return { text: `${rdata.readUInt16BE(0)} ${target} ${parts.join(';') || '-'}`, hints };
}

function parameterBytes(text: string): Bytes {
  const [word = '', value = ''] = text.split('=', 2);
  const key = keyOf(word);
  const values = value === '' ? [] : value.split(',');
  switch (key) {
    case 0:
      return option(
        key,
        values.flatMap((each) => u16(keyOf(each))),
      );
    case 1:
      return option(
        key,
        values.flatMap((each) => [each.length, ...ascii(each)]),
      );
    case 3:
      return option(key, u16(Number(value)));
    case 4:
      return option(
        key,
        values.flatMap((each) => [...addressBytes(each).subarray(12)]),
      );
    case 6:
      return option(
        key,
        values.flatMap((each) => [...addressBytes(each)]),
      );
    default:
      return option(key, [...Buffer.from(value, 'hex')]);
  }
}

function parameterText(key: number, value: Buffer): string {
  const word = KEYS[key] ?? `key${key}`;
  switch (key) {
    case 0:
      return `${word}=${pairs(value)
        .map((each) => KEYS[each] ?? `key${each}`)
        .join(',')}`;
    case 1: {
      const names: string[] = [];
      for (let at = 0; at < value.length; at += 1 + value.readUInt8(at))
        names.push(value.toString('latin1', at + 1, at + 1 + value.readUInt8(at)));
      return `${word}=${names.join(',')}`;
    }
    case 3:
      return `${word}=${value.readUInt16BE(0)}`;
    case 4:
    case 6: {
      const size = key === 4 ? 4 : 16;
      const addresses = Array.from({ length: value.length / size }, (_, i) =>
        addressText(value.subarray(i * size, (i + 1) * size)),
      );
      return `${word}=${addresses.join(',')}`;
    }
    default:
      return value.length === 0 ? word : `${word}=${value.toString('hex')}`;
  }
}

function keyOf(word: string): number {
  const known = KEYS.indexOf(word);
  const number = known >= 0 ? known : Number(/^key(\d+)$/.exec(word)?.[1]);
  if (!Number.isInteger(number)) throw new Error(`"${word}" is no parameter of a service`);
  return number;
}

function pairs(value: Buffer): number[] {
  return Array.from({ length: value.length >> 1 }, (_, i) => value.readUInt16BE(2 * i));
}

function addressBytes(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`"${text}" is no address`);
  return bytes;
}

/** ::ffff:192.0.2.1 in an IPv6 hint is not 192.0.2.1. */
function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return bytes.toString('hex').startsWith('00000000000000000000ffff') ? 'mapped' : formatAddress(bytes);
}
