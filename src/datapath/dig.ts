// The begin of a question that an operator asks in the name of a pod (`namewall dig`). It goes the way of every query, from the parser on: cache,
// budgets, grants and audit are those of the pod, and what it grants is granted. Only its reply goes to the operator.
import type { DigQuestion, Dug } from '../bridge/dig.ts';
import { COUNT } from '../bridge/counters.ts';
import { buildDenial } from '../dns/build-reply.ts';
import type { Denial } from '../dns/build-reply.ts';
import { parseQuery, QUERY } from '../dns/query.ts';
import { cacheKey } from './cache.ts';
import { OVER_QUOTA, REFUSALS } from './denials.ts';
import { noteMerged } from './dug.ts';
import type { Plane } from './plane.ts';
import { takeSlotOfDig } from './receive.ts';
import type { Server } from './serve.ts';
import { UNSELECTED } from './state/programs.ts';
import { NO_SLOT, STATE } from './state/query-slots.ts';

/** A question and an error's text. */
const REFUSAL_BYTES = 512;

export class Digger {
  readonly #plane: Plane;
  readonly #server: Server;
  readonly #onError: (error: unknown) => void;

  constructor(plane: Plane, server: Server, onError: (error: unknown) => void) {
    this.#plane = plane;
    this.#server = server;
    this.#onError = onError;
  }

  /** `told` is called once: before this returns, or when upstreams and kernel have answered. */
  ask({ client, query }: DigQuestion, told: (dug: Dug) => void): void {
    const plane = this.#plane;
    if (plane.digs.isFull) return told({ kind: 'busy' });
    const code = parseQuery(query, 0, query.length, plane.query);
    if (code === QUERY.Drop) return told(this.#unjudged(undefined));
    const refusal = REFUSALS[code];
    if (refusal !== undefined) return told(this.#unjudged(refusal));
    const slot = takeSlotOfDig(plane, client);
    if (slot === NO_SLOT) {
      plane.count(COUNT.queries_over_budget);
      return told(this.#unjudged(OVER_QUOTA));
    }
    plane.verdicts[slot] = UNSELECTED; // what the slot's last query got says nothing about this one
    const dig = plane.digs.begin(slot, told);
    this.#serve(slot);
    if (plane.digs.at(slot) !== dig || plane.slots.state[slot] !== STATE.Upstream || plane.slots.attempts[slot]! > 0)
      return;
    const leader = plane.asking.get(cacheKey(plane, slot));
    if (leader !== undefined) noteMerged(plane, dig, leader);
  }

  #serve(slot: number): void {
    try {
      this.#server.onClientQuery(slot);
    } catch (error) {
      this.#server.pursuit.abandon(slot);
      this.#onError(error);
    }
  }

  /** The end of a message that gets no slot: plane.query. */
  #unjudged(refusal: Denial | undefined): Dug {
    const { query, generation } = this.#plane;
    const room = { bytes: new Uint8Array(REFUSAL_BYTES), at: 0, limit: REFUSAL_BYTES };
    const reply = refusal && room.bytes.slice(0, buildDenial(room, query, refusal));
    const nothing = { records: [], said: undefined, attempts: [], rule: -1, toldBy: -1, classes: [], grants: [] };
    return { kind: 'asked', reply, generation, ...nothing };
  }
}
