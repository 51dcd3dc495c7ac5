// One nf_tables transaction about set elements while it is being written: batch begin, messages, batch end. Consecutive elements of one
// set and kind share a message. Knows neither classes nor strategies; allocates and throws nothing after construction.
import type { Memory } from '../sys/sys.ts';
import {
  ATTRIBUTE_BYTES,
  HEADER_BYTES,
  MESSAGE,
  MessageBuffer,
  NFGENMSG_BYTES,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REQUEST,
} from './netlink.ts';
import { SET_ELEMENT } from './set-element.ts';
import type { ElementSet } from './set-element.ts';

const FRAME_BYTES = HEADER_BYTES + NFGENMSG_BYTES;
// The length of an attribute is 16 bits: 512 elements of 72 bytes are 36 KiB.
const MAX_ELEMENTS_PER_MESSAGE = 512;
const ELEMENT_OVERHEAD_BYTES = 3 * ATTRIBUTE_BYTES + 2 * (ATTRIBUTE_BYTES + 8);
const NO_MESSAGE = -1;

export class SetBatch {
  readonly #buffer: MessageBuffer;
  #sequence: number;
  #first = 0;
  /** Operations since it was cleared, and whether one of them cannot be written. */
  operations = 0;
  isInvalid = false;
  /** Start of the last message, and of its element list while it takes more. */
  #last = NO_MESSAGE;
  #list = NO_MESSAGE;
  #type = 0;
  #set: ElementSet | undefined;
  #elements = 0;

  /** `sequence` is the number of the first message: batches that share a socket begin far apart. */
  constructor(memory: Memory, start: number, lengthBytes: number, sequence = 1) {
    this.#sequence = sequence;
    this.#buffer = new MessageBuffer(memory, start, lengthBytes);
  }

  get memory(): Memory {
    return this.#buffer.memory;
  }

  get start(): number {
    return this.#buffer.start;
  }

  get lengthBytes(): number {
    return this.#buffer.at - this.#buffer.start;
  }

  /** Sequence number of the batch's begin, under which the kernel reports a failed commit. */
  get firstSequence(): number {
    return this.#first;
  }

  /** Sequence number of the next message of any kind on this socket. */
  nextSequence(): number {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) >>> 0;
    return sequence;
  }

  clear(): void {
    this.#buffer.clear();
    this.operations = 0;
    this.isInvalid = false;
    this.#last = this.#list = NO_MESSAGE;
    this.#set = undefined;
  }

  /** Whether `elements` elements of `set` fit, were each of them a message of its own. */
  hasRoom(set: ElementSet, elements: number): boolean {
    const frames = this.#last === NO_MESSAGE ? 2 : 1;
    const elementBytes = ELEMENT_OVERHEAD_BYTES + ATTRIBUTE_BYTES + 2 * set.addressBytes;
    return this.#buffer.room >= frames * FRAME_BYTES + elements * (HEADER_BYTES + set.header.length + elementBytes);
  }

  /** Appends one element; the caller has asked hasRoom. A lifetime of 0 writes the key alone. */
  append(type: number, set: ElementSet, key: Uint8Array, lifetimeMs: number): void {
    const shared = this.#type === type && this.#set === set && this.#elements < MAX_ELEMENTS_PER_MESSAGE;
    if (!shared) this.#openMessage(type, set);
    writeElement(this.#buffer, set, key, lifetimeMs);
    this.#elements++;
  }

  /** Ends the batch; answers the sequence number that the kernel will acknowledge. */
  finish(): number {
    this.#closeMessage();
    // Not on the batch's end, which kernels before 6.10 do not acknowledge, and not on each message: V14, V25.
    this.#buffer.addFlags(this.#last, NLM_F_ACK);
    const acknowledged = (this.#sequence - 1) >>> 0;
    this.#buffer.batchFrame(MESSAGE.BatchEnd, this.nextSequence());
    return acknowledged;
  }

  #openMessage(type: number, set: ElementSet): void {
    if (this.#last === NO_MESSAGE) {
      this.#first = this.nextSequence();
      this.#buffer.batchFrame(MESSAGE.BatchBegin, this.#first);
    }
    this.#closeMessage();
    const flags = type === MESSAGE.NewSetElement ? NLM_F_REQUEST | NLM_F_CREATE : NLM_F_REQUEST;
    this.#last = this.#buffer.openMessage(type, flags, this.nextSequence());
    this.#buffer.copy(set.header, 0, set.header.length);
    this.#list = this.#buffer.at - ATTRIBUTE_BYTES;
    this.#type = type;
    this.#set = set;
    this.#elements = 0;
  }

  #closeMessage(): void {
    if (this.#list === NO_MESSAGE) return;
    this.#buffer.closeAttribute(this.#list);
    this.#buffer.closeMessage(this.#last);
    this.#list = NO_MESSAGE;
  }
}

/** The element with key `key` (its first 2 × addressBytes), renewed to `lifetimeMs` from now when it exists. */
export function writeElement(buffer: MessageBuffer, set: ElementSet, key: Uint8Array, lifetimeMs: number): void {
  const element = buffer.openAttribute(SET_ELEMENT.ListElement);
  const keyAttribute = buffer.openAttribute(SET_ELEMENT.Key);
  const value = buffer.openAttribute(SET_ELEMENT.DataValue);
  buffer.copy(key, 0, 2 * set.addressBytes);
  buffer.closeAttribute(value);
  buffer.closeAttribute(keyAttribute);
  if (lifetimeMs > 0) {
    buffer.attributeU64(SET_ELEMENT.Timeout, lifetimeMs);
    // Without it an equal timeout would leave the old expiry (V4).
    buffer.attributeU64(SET_ELEMENT.Expiration, lifetimeMs);
  }
  buffer.closeAttribute(element);
}
