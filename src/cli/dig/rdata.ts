// The data of a record as zone files write it, in printable ASCII: every other byte is \DDD, so that nothing that an upstream made up moves
// the cursor of a terminal. What has no form here is written as RFC 3597 §5 has it.
import { formatAddress } from '../../base/ip.ts';
import type { Answer } from '../../dns/answer.ts';
import { CLASS, TYPE } from '../../dns/codes.ts';
import { readName } from '../../dns/compressed-name.ts';
import { readUint16, readUint32 } from '../../dns/header.ts';
import { formatName } from '../../dns/name.ts';

const SOA_NUMBERS = 5;

/** Of record `i` of a message that parseAnswer has accepted. */
export function rdataText(bytes: Uint8Array, answer: Answer, i: number): string {
  const at = answer.rdataOffset[i] ?? 0;
  const length = answer.rdataLength[i] ?? 0;
  if (answer.class[i] !== CLASS.IN) return unknownForm(bytes, at, length);
  switch (answer.type[i]) {
    case TYPE.A:
      return bytes.subarray(at, at + length).join('.');
    case TYPE.AAAA:
      return addressText(bytes, at);
    case TYPE.CNAME:
    case TYPE.NS:
    case TYPE.PTR:
    case TYPE.DNAME:
      return nameAt(bytes, answer, at).text;
    case TYPE.MX:
      return `${readUint16(bytes, at)} ${nameAt(bytes, answer, at + 2).text}`;
    case TYPE.SRV: {
      const numbers = [at, at + 2, at + 4].map((each) => readUint16(bytes, each));
      return `${numbers.join(' ')} ${nameAt(bytes, answer, at + 6).text}`;
    }
    case TYPE.SOA:
      return soaText(bytes, answer, at);
    case TYPE.TXT:
      return stringsText(bytes, at, at + length);
    default:
      return unknownForm(bytes, at, length);
  }
}

/** Printable ASCII as it is but for `"` and `\`, any other byte as \DDD. */
export function escapedText(bytes: Uint8Array): string {
  return [...bytes]
    .map((byte) => {
      const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
      return isPlain ? String.fromCharCode(byte) : `\\${byte.toString().padStart(3, '0')}`;
    })
    .join('');
}

/** ::ffff:a.b.c.d stays what it is: in an AAAA record it is not a.b.c.d. */
function addressText(bytes: Uint8Array, at: number): string {
  const text = formatAddress(bytes, at);
  return text.includes(':') ? text : `::ffff:${text}`;
}

function nameAt(bytes: Uint8Array, answer: Answer, at: number): { text: string; next: number } {
  const { cursor, scratch, start, end } = answer;
  cursor.work = 0; // nobody waits here
  if (!readName(bytes, start, end, at, scratch, 0, cursor)) return { text: '?', next: at };
  return { text: formatName(scratch), next: cursor.next };
}

function soaText(bytes: Uint8Array, answer: Answer, at: number): string {
  const server = nameAt(bytes, answer, at);
  const mail = nameAt(bytes, answer, server.next);
  const numbers = Array.from({ length: SOA_NUMBERS }, (_, i) => readUint32(bytes, mail.next + 4 * i));
  return [server.text, mail.text, ...numbers].join(' ');
}

function stringsText(bytes: Uint8Array, from: number, end: number): string {
  const strings: string[] = [];
  for (let at = from; at < end; at += 1 + (bytes[at] ?? 0)) {
    strings.push(`"${escapedText(bytes.subarray(at + 1, Math.min(end, at + 1 + (bytes[at] ?? 0))))}"`);
  }
  return strings.join(' ');
}

function unknownForm(bytes: Uint8Array, at: number, length: number): string {
  const hex = Buffer.from(bytes.subarray(at, at + length)).toString('hex');
  return `\\# ${length}${hex === '' ? '' : ` ${hex}`}`;
}
