// Lookups as plane.lookups is told of them: somewhere in the memory of others.
import { Noted, type Lookup } from '../../../../src/datapath/state/lookups.ts';

/** Name and addresses stand apart, the addresses first, among other bytes. */
export function notedOf({ name, addresses, expiryMs }: Lookup): Noted {
  const noted = new Noted();
  noted.bytes = new Uint8Array(addresses.length + name.length + 9).fill(0xee);
  noted.addressesAt = 3;
  noted.addressCount = addresses.length / 16;
  noted.nameAt = noted.addressesAt + addresses.length + 2;
  noted.nameBytes = name.length;
  noted.expiryMs = expiryMs;
  noted.bytes.set(addresses, noted.addressesAt);
  noted.bytes.set(name, noted.nameAt);
  return noted;
}
