// Grants that the batch under way takes out of the kernel. One batch is under way at a time.
import { ADDRESS_BYTES } from '../../base/ip.ts';

/** Of one batch: what withdraw.ts looks at for it, in two classes. */
const MOST = 512;

export class Withdrawn {
  readonly pods = new Int32Array(MOST);
  readonly classes = new Int32Array(MOST);
  /** 16 bytes each. */
  readonly addresses = new Uint8Array(MOST * ADDRESS_BYTES);
  count = 0;

  get isFull(): boolean {
    return this.count === MOST;
  }

  push(classIndex: number, pod: number, address: Uint8Array): void {
    this.classes[this.count] = classIndex;
    this.pods[this.count] = pod;
    this.addresses.set(address, this.count * ADDRESS_BYTES);
    this.count++;
  }
}
