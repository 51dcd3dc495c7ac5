// What both ends of `filter` agree on, and IPv4 socket addresses as the kernel reads them.
export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCKADDR_IN_BYTES = 16;
export const PORT = 443;

/** struct sockaddr_in (ip(7)) of four address bytes and a port, at `offset` of zeroed memory. */
export function writeSockaddrIn(bytes: Uint8Array, offset: number, address: readonly number[], port: number): void {
  bytes[offset] = AF_INET; // host order, and both machines that we run on are little-endian
  bytes[offset + 2] = port >> 8;
  bytes[offset + 3] = port & 0xff;
  bytes.set(address, offset + 4);
}
