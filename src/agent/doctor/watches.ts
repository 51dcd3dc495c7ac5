// What only a running agent can know, from counters that it reads again and again: packets that are taken and do not
// arrive, and clients whose packets pass us by. Pure; nothing is decided from a single look, and a counter that shrinks
// was reset: looking starts anew.

/** So many looks in a row must say the same. */
const LOOKS = 2;
/** Packets that may be under way, or belong to a connection that never asks. */
const FEW_INTERCEPTED = 3;
/**
 * Packets between two looks. Clients that do nothing still send ARP and neighbour discovery, which no chain of ours
 * sees.
 */
const FEW_SENT = 100;

/** Sees that another program drops what we intercept. */
export class InterceptionWatch {
  #received = Number.NaN;
  #atLastArrival = 0;
  #looks = 0;

  /**
   * `intercepted`: packets of the nft counter; `received`: whatever came out of our sockets, readable or not, accepted
   * connections included. True: packets are taken and do not arrive. Stays true until one does.
   */
  look(intercepted: number, received: number): boolean {
    if (received !== this.#received || intercepted < this.#atLastArrival) {
      this.#received = received;
      this.#atLastArrival = intercepted;
      this.#looks = 0;
      return false;
    }
    this.#looks += 1;
    return this.#looks >= LOOKS && intercepted - this.#atLastArrival >= FEW_INTERCEPTED;
  }
}

/** Sees that the network plugin forwards past netfilter. */
export class BypassWatch {
  #rxPackets = Number.NaN;
  #chainPackets = Number.NaN;
  #looks = 0;

  /**
   * `rxPackets`: what the interfaces of selected clients have received from them; `chainPackets`: what our chains have
   * counted of such packets, intercepted and dropped ones included. True: clients send, and nothing of it reaches us.
   * Stays true until something does.
   */
  look(rxPackets: number, chainPackets: number): boolean {
    const sent = rxPackets - this.#rxPackets;
    if (chainPackets !== this.#chainPackets || sent < 0) this.#looks = 0;
    else if (sent >= FEW_SENT) this.#looks += 1;
    this.#rxPackets = rxPackets;
    this.#chainPackets = chainPackets;
    return this.#looks >= LOOKS;
  }
}
