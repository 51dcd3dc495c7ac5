// What is known of each upstream server, by its place: whether it answers at all, whether it takes EDNS, whether somebody forges its answers. Only
// silence makes a server count as down; an error that an ICMP message reports does not, since anybody can send one (threats D8).
const PLACES = 256;
/** Attempts in a row without any answer: one slow name is no reason. */
const SILENCES = 3;
const PROBE_EVERY_MS = 1_000;
/** RFC 6891 §6.2.2 lets it be remembered; briefly, since a single forged answer may have said it (CVE-2026-52690). */
const PLAIN_MS = 30_000;
/** Wrong answers a second from a server's address: honest ones are late answers, which are known (pending-ids.ts). */
const FORGED_PER_SECOND = 100;
/** So long a server is asked over TCP after a flood of wrong answers. */
const STREAM_MS = 10_000;

export class ServerHealth {
  readonly #silences = new Uint8Array(PLACES);
  readonly #isDown = new Uint8Array(PLACES);
  readonly #probeAtMs = new Float64Array(PLACES);
  /** The probe that is waited for: its socket, -1 for none, and its id. They are none of the socket's own: it may be exchanged meanwhile. */
  readonly #probeSocket = new Int16Array(PLACES).fill(-1);
  readonly #probeId = new Uint16Array(PLACES);
  readonly #plainUntilMs = new Float64Array(PLACES);
  readonly #wrong = new Uint32Array(PLACES);
  readonly #wrongSinceMs = new Float64Array(PLACES);
  readonly #streamUntilMs = new Float64Array(PLACES);
  #downCount = 0;

  /** Another server has the place from now on. */
  forget(place: number): void {
    this.answered(place);
    this.#plainUntilMs[place] = this.#streamUntilMs[place] = this.#wrong[place] = 0;
  }

  /** Something came from it that answers a question of ours, whatever it says. */
  answered(place: number): void {
    this.#silences[place] = 0;
    if (this.#isDown[place] !== 0) this.#downCount--;
    this.#isDown[place] = 0;
    this.#probeSocket[place] = -1;
  }

  /** An attempt was not answered in time. */
  silent(place: number, nowMs: number): void {
    if (this.#isDown[place] !== 0 || ++this.#silences[place]! < SILENCES) return;
    this.#isDown[place] = 1;
    this.#downCount++;
    this.#probeAtMs[place] = nowMs + PROBE_EVERY_MS;
  }

  isDown(place: number): boolean {
    return this.#isDown[place] !== 0;
  }

  /** A place that is down and was not probed for a second; -1 when there is none. Call until it answers -1. */
  takeDue(nowMs: number): number {
    if (this.#downCount === 0) return -1;
    for (let place = 0; place < PLACES; place++) {
      if (this.#isDown[place] === 0 || this.#probeAtMs[place]! > nowMs) continue;
      this.#probeAtMs[place] = nowMs + PROBE_EVERY_MS;
      return place;
    }
    return -1;
  }

  /** It was asked with this id from `socket` whether it is there; whatever was asked before is not waited for any more. */
  probed(place: number, socket: number, id: number): void {
    this.#probeSocket[place] = socket;
    this.#probeId[place] = id;
  }

  isProbe(place: number, socket: number, id: number): boolean {
    return this.#probeSocket[place] === socket && this.#probeId[place] === id;
  }

  /** It answered a query with OPT as if it did not know OPT. */
  refusedEdns(place: number, nowMs: number): void {
    this.#plainUntilMs[place] = nowMs + PLAIN_MS;
  }

  takesEdns(place: number, nowMs: number): boolean {
    return nowMs >= this.#plainUntilMs[place]!;
  }

  /** A datagram came from its address that answers nothing. True when that is the one too many, and it is asked over TCP from now on. */
  wrong(place: number, nowMs: number): boolean {
    if (nowMs - this.#wrongSinceMs[place]! >= 1_000) {
      this.#wrongSinceMs[place] = nowMs;
      this.#wrong[place] = 0;
    }
    if (++this.#wrong[place]! < FORGED_PER_SECOND) return false;
    const isNews = this.wantsDatagrams(place, nowMs);
    this.#streamUntilMs[place] = nowMs + STREAM_MS;
    return isNews;
  }

  wantsDatagrams(place: number, nowMs: number): boolean {
    return nowMs >= this.#streamUntilMs[place]!;
  }
}
