// Sends one packet of any protocol, without what the protocol's own sockets would add: `send-raw.ts ADDRESS PROTOCOL HEX`. The kernel adds the
// IP header, and the checksum of ICMPv6.
import { familyOf, parseAddress } from '../../../src/base/ip.ts';
import { loadLibc } from '../../../src/sys/libc.ts';
import { LinuxSys } from '../../../src/sys/linux.ts';
import { AF_INET, AF_INET6, sockaddrBytes, writeSockaddr } from '../../../src/sys/packet-batch.ts';

export const SEND_RAW = import.meta.filename;

const SOCK_RAW = 3;
const PAYLOAD_AT = 64;

if (process.argv[1] === import.meta.filename) sendRaw(process.argv.slice(2));

function sendRaw([text = '', protocol = '', hex = '']: readonly string[]): void {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is not an address`);
  const libc = loadLibc();
  const family = familyOf(address);
  const payload = Buffer.from(hex, 'hex');
  const memory = LinuxSys.open().allocate(4_096);
  writeSockaddr(new DataView(memory.bytes.buffer), 0, family, address, 0, 0);
  memory.bytes.set(payload, PAYLOAD_AT);
  const fd = libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, Number(protocol));
  if (libc.connect(fd, memory.address, sockaddrBytes(family)) < 0) throw new Error('cannot connect the raw socket');
  if (libc.send(fd, memory.address + PAYLOAD_AT, payload.length, 0) < 0) throw new Error('cannot send');
}
