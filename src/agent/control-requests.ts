// What comes over the control socket goes to whom it is for, by its kind. Orders are carried out one after the other; a question in the name of
// a pod waits for upstreams for seconds, and keeps no order waiting.
import type { Reply } from './audit-orders.ts';
import { isRecord } from './audit-orders.ts';
import type { DigReply } from './digger.ts';

export interface ControlServices {
  /** `namewall off`, `on`: whatever is no other's request. Never rejects. */
  readonly obey: (request: unknown) => Promise<Reply>;
  /** `namewall dig`. Never rejects. */
  readonly dig: (request: unknown) => Promise<DigReply>;
}

export class ControlRequests {
  readonly #services: ControlServices;
  #lastOrder: Promise<unknown> = Promise.resolve();

  constructor(services: ControlServices) {
    this.#services = services;
  }

  /** `request` is whatever a client sent. */
  answer(request: unknown): Promise<Reply | DigReply> {
    if (isRecord(request) && request['kind'] === 'dig') return this.#services.dig(request);
    const obeying = this.#lastOrder.then(() => this.#services.obey(request));
    this.#lastOrder = obeying;
    return obeying;
  }
}
