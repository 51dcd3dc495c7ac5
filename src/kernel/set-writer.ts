// Puts grants into the kernel's sets by raw nfnetlink: a batch of elements, one transaction, one acknowledgement. The hot calls (add,
// remove, commit) allocate and throw nothing. Never decides how long a grant lives and never retries: the caller does both.
import { ADDRESS_BYTES, familyOf } from '../base/ip.ts';
import { ERRNO } from '../sys/sys.ts';
import type { Sys } from '../sys/sys.ts';
import { ATTRIBUTE_BYTES, MESSAGE, MessageBuffer, NLM_F_REQUEST } from './netlink.ts';
import { NetlinkSocket, OUTCOME } from './netlink-socket.ts';
import { SetBatch, writeElement } from './set-batch.ts';
import { elementSet, remainingMs } from './set-element.ts';
import type { ElementSet } from './set-element.ts';

/** How an existing element gets a new lifetime: this kernel honours timeout + expiration (V4), or it must be taken out and put back. */
export type RefreshStrategy = 'update' | 'replace';

/** What `commit` answers; any other value is the errno (positive) with which the kernel refused the whole batch. */
export const COMMIT = { ...OUTCOME, /** Of `submit`: the committer's thread is at it. */ Pending: -2 } as const;

/** Takes finished batches to the kernel in another thread (bridge/commit-channel.ts). */
export interface Carrier {
  request(address: number, lengthBytes: number, first: number, last: number): void;
  isDone(): boolean;
  outcome(): number;
}

export interface SetWriterOptions {
  readonly table: string;
  readonly strategy: RefreshStrategy;
  /** Send and receive buffer of the socket. */
  readonly bufferBytes?: number;
  /** Without it `submit` commits in this thread. */
  readonly carrier?: Carrier;
}

// 64 queries of a turn with 16 IPv6 addresses each are 72 KiB; what comes while another program holds the lock must find room, too. The
// socket's send buffer must hold the whole batch.
const BATCH_BYTES = 768 * 1024;
export const SOCKET_BYTES = 1024 * 1024;
const REQUEST_BYTES = 512;
const REPLY_BYTES = 16 * 1024;
// 0 means "never expires" (V1).
const MIN_LIFETIME_MS = 1;
const MAX_LIFETIME_MS = 0xffff_ffff;

export class NetlinkSetWriter {
  readonly #table: string;
  readonly #strategy: RefreshStrategy;
  readonly #socket: NetlinkSocket;
  readonly #replyView: DataView;
  readonly #carrier: Carrier | undefined;
  /** Being written; the other one is with the carrier, or free. */
  #batch: SetBatch;
  #other: SetBatch;
  readonly #request: MessageBuffer;
  readonly #key = new Uint8Array(2 * ADDRESS_BYTES);
  /** The sets of class k: [2k] for IPv4, [2k+1] for IPv6. */
  #sets: readonly ElementSet[] = [];

  /** Throws SysError. */
  static open(sys: Sys, options: SetWriterOptions): NetlinkSetWriter {
    return new NetlinkSetWriter(sys, options);
  }

  private constructor(sys: Sys, options: SetWriterOptions) {
    this.#table = options.table;
    this.#strategy = options.strategy;
    this.#carrier = options.carrier;
    const memory = sys.allocate(2 * BATCH_BYTES + REQUEST_BYTES);
    this.#batch = new SetBatch(memory, 0, BATCH_BYTES);
    this.#other = new SetBatch(memory, BATCH_BYTES, BATCH_BYTES, 0x8000_0000);
    this.#request = new MessageBuffer(memory, 2 * BATCH_BYTES, REQUEST_BYTES);
    const replies = sys.allocate(REPLY_BYTES);
    this.#replyView = new DataView(replies.bytes.buffer, replies.bytes.byteOffset, replies.bytes.byteLength);
    this.#socket = new NetlinkSocket(sys, options.bufferBytes ?? SOCKET_BYTES, replies);
  }

  close(): void {
    this.#socket.close();
  }

  /** From now on class index k means the sets grants4_<classIds[k]> and grants6_<classIds[k]>. Discards what is pending. */
  define(classIds: readonly string[]): void {
    this.discard();
    this.#sets = classIds.flatMap((id) => [
      elementSet(this.#table, `grants4_${id}`, 4),
      elementSet(this.#table, `grants6_${id}`, 6),
    ]);
  }

  /** Whether so many more additions to this class fit, of either family. */
  hasRoomFor(classIndex: number, elements: number): boolean {
    const set = this.#sets[classIndex * 2 + 1];
    return set === undefined || this.#batch.hasRoom(set, elements * (this.#strategy === 'replace' ? 3 : 1));
  }

  /** Operations since the last commit or discard. */
  get pending(): number {
    return this.#batch.operations;
  }

  /**
   * Lets `pod` reach `address` (16 byte forms of one family) in this class for `lifetimeMs`, renewing what is there. False when the
   * batch is full: commit and call again. A class that is not defined, or a pod address of the other family, makes the commit
   * answer EINVAL with nothing sent.
   */
  add(
    classIndex: number,
    pod: Uint8Array,
    podOffset: number,
    address: Uint8Array,
    addressOffset: number,
    lifetimeMs: number,
  ): boolean {
    // Written so that NaN ends up at the minimum too: a lifetime is never 0, which would mean for ever.
    const atLeast = lifetimeMs > MIN_LIFETIME_MS ? Math.floor(lifetimeMs) : MIN_LIFETIME_MS;
    const set = this.#setOf(classIndex, pod, podOffset, address, addressOffset);
    return this.#put(set, Math.min(atLeast, MAX_LIFETIME_MS));
  }

  /** Takes the element away, whether or not it is there. False when the batch is full. */
  remove(classIndex: number, pod: Uint8Array, podOffset: number, address: Uint8Array, addressOffset: number): boolean {
    return this.#put(this.#setOf(classIndex, pod, podOffset, address, addressOffset), 0);
  }

  /** Sends what is pending as one transaction. COMMIT.Done, COMMIT.Unknown, or the errno with which all of it was refused. */
  commit(): number {
    const batch = this.#batch;
    const early = outcomeWithoutSending(batch);
    if (early !== COMMIT.Pending) {
      this.discard();
      return early;
    }
    const acknowledged = batch.finish();
    const sent = this.#socket.send(batch.memory, batch.start, batch.lengthBytes);
    this.discard();
    if (sent < 0) return -sent;
    return this.#socket.outcome(batch.firstSequence, acknowledged);
  }

  /** The same by the carrier, if there is one: COMMIT.Pending, until `collect` says otherwise. Not while one is pending. */
  submit(): number {
    const early = outcomeWithoutSending(this.#batch);
    if (this.#carrier === undefined || early !== COMMIT.Pending) return this.commit();
    const batch = this.#batch;
    const acknowledged = batch.finish();
    this.#carrier.request(batch.memory.address + batch.start, batch.lengthBytes, batch.firstSequence, acknowledged);
    this.exchange();
    return COMMIT.Pending;
  }

  /** What became of the batch that was submitted last. */
  collect(): number {
    if (this.#carrier === undefined || !this.#carrier.isDone()) return COMMIT.Pending;
    this.#other.clear();
    return this.#carrier.outcome();
  }

  /** Writes to the other batch from now on. Not while it is submitted. */
  exchange(): void {
    [this.#batch, this.#other] = [this.#other, this.#batch];
  }

  /** Forgets what is pending. */
  discard(): void {
    this.#batch.clear();
  }

  /** What the kernel has: milliseconds left, 0 when the element (or its set) is not there, Infinity when it never expires, or -errno. */
  readBack(classIndex: number, pod: Uint8Array, podOffset: number, address: Uint8Array, addressOffset: number): number {
    const set = this.#setOf(classIndex, pod, podOffset, address, addressOffset);
    if (set === undefined) return -ERRNO.EINVAL;
    const request = this.#request;
    const sequence = this.#batch.nextSequence();
    request.clear();
    const message = request.openMessage(MESSAGE.GetSetElement, NLM_F_REQUEST, sequence);
    request.copy(set.header, 0, set.header.length);
    const list = request.at - ATTRIBUTE_BYTES;
    writeElement(request, set, this.#key, 0);
    request.closeAttribute(list);
    request.closeMessage(message);
    const sent = this.#socket.send(request.memory, request.start, request.at - request.start);
    if (sent < 0) return sent;
    const length = this.#socket.receive();
    if (length < 0) return length;
    return remainingMs(this.#replyView, Math.min(length, REPLY_BYTES), sequence);
  }

  /** Appends what gives the element of #key this lifetime, or, with 0, removes it. */
  #put(set: ElementSet | undefined, lifetimeMs: number): boolean {
    if (set === undefined) {
      this.#batch.isInvalid = true;
      this.#batch.operations++;
      return true;
    }
    const replacing = this.#strategy === 'replace';
    if (!this.#batch.hasRoom(set, replacing ? 3 : 1)) return false;
    if (replacing) this.#replace(set, lifetimeMs);
    else if (lifetimeMs > 0) this.#batch.append(MESSAGE.NewSetElement, set, this.#key, lifetimeMs);
    else this.#batch.append(MESSAGE.DestroySetElement, set, this.#key, 0);
    this.#batch.operations++;
    return true;
  }

  /**
   * For kernels that cannot renew: put in, take out, put in again; the first makes the second succeed whatever was there before.
   * A removal ends after the second step: those kernels may lack DESTROYSETELEM too (before 6.3). Look-ups never see the steps
   * between: the transaction becomes visible as one. Its price: removing what is not there from a full set is refused (ENFILE).
   */
  #replace(set: ElementSet, lifetimeMs: number): void {
    this.#batch.append(MESSAGE.NewSetElement, set, this.#key, lifetimeMs || MIN_LIFETIME_MS);
    this.#batch.append(MESSAGE.DeleteSetElement, set, this.#key, 0);
    if (lifetimeMs > 0) this.#batch.append(MESSAGE.NewSetElement, set, this.#key, lifetimeMs);
  }

  /** Puts pod and address into #key and answers the set that they belong in, by the destination's family. */
  #setOf(
    classIndex: number,
    pod: Uint8Array,
    podOffset: number,
    address: Uint8Array,
    addressOffset: number,
  ): ElementSet | undefined {
    const family = familyOf(address, addressOffset);
    // The last four bytes of an IPv6 pod could be another pod's IPv4 address.
    if (familyOf(pod, podOffset) !== family) return undefined;
    const set = this.#sets[classIndex * 2 + (family === 4 ? 0 : 1)];
    if (set === undefined) return undefined;
    const skip = ADDRESS_BYTES - set.addressBytes;
    for (let i = 0; i < set.addressBytes; i++) {
      this.#key[i] = pod[podOffset + skip + i] ?? 0;
      this.#key[set.addressBytes + i] = address[addressOffset + skip + i] ?? 0;
    }
    return set;
  }
}

function outcomeWithoutSending(batch: SetBatch): number {
  if (batch.isInvalid) return ERRNO.EINVAL;
  return batch.operations === 0 ? COMMIT.Done : COMMIT.Pending;
}
