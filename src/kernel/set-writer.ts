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
export const COMMIT = OUTCOME;

export interface SetWriterOptions {
  readonly table: string;
  readonly strategy: RefreshStrategy;
  /** Send and receive buffer of the socket. */
  readonly bufferBytes?: number;
}

// 64 queries of a turn with 16 IPv6 addresses each are 72 KiB; the socket's send buffer must hold the whole batch.
const BATCH_BYTES = 256 * 1024;
const SOCKET_BYTES = 1024 * 1024;
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
  readonly #batch: SetBatch;
  readonly #request: MessageBuffer;
  readonly #key = new Uint8Array(2 * ADDRESS_BYTES);
  /** The sets of class k: [2k] for IPv4, [2k+1] for IPv6. */
  #sets: readonly ElementSet[] = [];
  #pending = 0;
  #invalid = false;

  /** Throws SysError. */
  static open(sys: Sys, options: SetWriterOptions): NetlinkSetWriter {
    return new NetlinkSetWriter(sys, options);
  }

  private constructor(sys: Sys, options: SetWriterOptions) {
    this.#table = options.table;
    this.#strategy = options.strategy;
    const memory = sys.allocate(BATCH_BYTES + REQUEST_BYTES);
    this.#batch = new SetBatch(memory, 0, BATCH_BYTES);
    this.#request = new MessageBuffer(memory, BATCH_BYTES, REQUEST_BYTES);
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

  /** Operations since the last commit or discard. */
  get pending(): number {
    return this.#pending;
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
    const isEmpty = this.#pending === 0;
    const isInvalid = this.#invalid;
    if (isInvalid || isEmpty) {
      this.discard();
      return isInvalid ? ERRNO.EINVAL : COMMIT.Done;
    }
    const acknowledged = this.#batch.finish();
    const sent = this.#socket.send(this.#batch.memory, this.#batch.start, this.#batch.lengthBytes);
    this.discard();
    if (sent < 0) return -sent;
    return this.#socket.outcome(this.#batch.firstSequence, acknowledged);
  }

  /** Forgets what is pending. */
  discard(): void {
    this.#batch.clear();
    this.#pending = 0;
    this.#invalid = false;
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
      this.#invalid = true;
      this.#pending++;
      return true;
    }
    const replacing = this.#strategy === 'replace';
    if (!this.#batch.hasRoom(set, replacing ? 3 : 1)) return false;
    if (replacing) this.#replace(set, lifetimeMs);
    else if (lifetimeMs > 0) this.#batch.append(MESSAGE.NewSetElement, set, this.#key, lifetimeMs);
    else this.#batch.append(MESSAGE.DestroySetElement, set, this.#key, 0);
    this.#pending++;
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
