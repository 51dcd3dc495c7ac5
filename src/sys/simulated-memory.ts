// Memory with made-up addresses, so that structures full of pointers can be followed as the kernel follows them: an address that nobody
// allocated is a fault and not somebody else's data.
import type { Memory } from './sys.ts';

const PAGE_BYTES = 4096;
const FIRST_ADDRESS = 0x10_0000;

export class SimulatedMemory {
  readonly #blocks: Memory[] = [];
  #nextAddress = FIRST_ADDRESS;

  allocate(lengthBytes: number): Memory {
    const length = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
    const block = { bytes: new Uint8Array(new ArrayBuffer(length)), address: this.#nextAddress };
    // A page between blocks belongs to none, so that running over an end is noticed.
    this.#nextAddress += length + PAGE_BYTES;
    this.#blocks.push(block);
    return block;
  }

  /** A view of `lengthBytes` at `address`; undefined (EFAULT) when they do not all lie in one block. */
  view(address: number, lengthBytes: number): DataView | undefined {
    for (const { bytes, address: start } of this.#blocks) {
      if (address < start || address + lengthBytes > start + bytes.length) continue;
      return new DataView(bytes.buffer, bytes.byteOffset + address - start, lengthBytes);
    }
    return undefined;
  }
}
