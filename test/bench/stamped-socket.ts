// When the kernel received a datagram, not when this program came to read it: on a core that is shared with a foreign program the difference
// is hundreds of milliseconds, and none of the server's. One datagram per call; for the paced load only.
import { loadLibc } from '../../src/sys/libc.ts';
import type { LinuxSys } from '../../src/sys/linux.ts';
import type { Fd } from '../../src/sys/sys.ts';

const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SIOCGSTAMPNS = 0x8907; // socket(7): of the last datagram passed to the user, CLOCK_REALTIME
const BUFFER_BYTES = 8 << 20;

export class Stamps {
  readonly #libc = loadLibc();
  readonly #address: number;
  readonly #view: DataView;
  readonly #fd: Fd;

  /** The socket also gets a buffer that holds what comes while this program waits for its core. */
  constructor(sys: LinuxSys, fd: Fd) {
    const { address, bytes } = sys.allocate(16);
    this.#address = address;
    this.#view = new DataView(bytes.buffer);
    this.#fd = fd;
    this.#view.setInt32(0, BUFFER_BYTES, true);
    this.#libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, address, 4);
    this.lastMs(); // the first call switches the stamps on
  }

  /** Of the datagram received last, on the scale of `sys.nowMs()` of this thread. */
  lastMs(): number {
    this.#libc.ioctl(this.#fd, SIOCGSTAMPNS, this.#address);
    const wallMs = Number(this.#view.getBigInt64(0, true)) * 1000 + Number(this.#view.getBigInt64(8, true)) / 1e6;
    return wallMs - performance.timeOrigin;
  }
}
