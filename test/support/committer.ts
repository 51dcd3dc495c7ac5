// The committer's thread (src/datapath/committer.ts) without a thread, on a simulated system: it works when it is told to.
import { CommitChannel } from '../../src/bridge/commit-channel.ts';
import { NetlinkSocket } from '../../src/kernel/netlink-socket.ts';
import { COMMIT, SOCKET_BYTES } from '../../src/kernel/set-writer.ts';
import type { SimulatedSys } from '../../src/sys/simulated.ts';
import type { Fd, Memory } from '../../src/sys/sys.ts';

const REPLY_BYTES = 16 * 1024;

export class Committer {
  readonly channel = new CommitChannel();
  readonly #sys: SimulatedSys;
  readonly #memories: Memory[] = [];
  readonly #socket: NetlinkSocket;
  #isHeld = false;
  #losesNext = false;
  /** How often somebody had to wait for it. */
  waits = 0;

  /** To be made before whoever uses its channel: it gets to know the memory that is allocated from now on. */
  constructor(sys: SimulatedSys) {
    this.#sys = sys;
    const allocate = sys.allocate.bind(sys);
    sys.allocate = (lengthBytes) => {
      const memory = allocate(lengthBytes);
      this.#memories.push(memory);
      return memory;
    };
    this.#socket = new NetlinkSocket(sys, SOCKET_BYTES, sys.allocate(REPLY_BYTES));
    // Who waits lets it go on, held or not: nobody else is here who could.
    this.channel.waitUntilDone = () => {
      this.waits++;
      this.#commit();
    };
  }

  /** As if the kernel's lock were somebody else's until `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.work();
  }

  /** Commits what was handed over, if there is something. */
  work(): void {
    if (!this.#isHeld) this.#commit();
  }

  /** The reports of the next commit are lost (ENOBUFS). */
  overflow(): void {
    this.#losesNext = true;
  }

  /** Answers for what was handed over without asking the kernel. */
  say(outcome: number): void {
    this.channel.done(outcome);
    this.#sys.eventSignal(this.channel.eventFd as Fd); // opened by the loop
  }

  #commit(): void {
    const { channel } = this;
    if (!channel.waitForRequest(0)) return;
    const { address, lengthBytes, first, last } = channel;
    const memory = this.#memories.findLast((each) => each.address <= address);
    if (memory === undefined) throw new Error(`Nobody allocated what stands at ${address}`);
    const sent = this.#socket.send(memory, address - memory.address, lengthBytes);
    const outcome = sent < 0 ? -sent : this.#socket.outcome(first, last);
    this.say(this.#losesNext ? COMMIT.Unknown : outcome);
    this.#losesNext = false;
  }
}
