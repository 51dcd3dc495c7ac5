// What clients really get: every check is made from inside the network namespace of its source, by a probe that is started there.
import { randomUUID } from 'node:crypto';
import { assertNever } from '../../base/errors.ts';
import { TYPE } from '../../dns/codes.ts';
import type { Pod } from '../../pods/pod.ts';
import { describeTarget, type AskCheck, type ConnectCheck, type Prober, type Seen, type Source } from './case.ts';
import { findClient } from './clients.ts';
import { ARRIVED, asBlocked, mergeAnswers, seenAsked, seenReached, unknown } from './evidence.ts';
import { ProbeChild, ProbeError } from './probe-child.ts';
import type { Listening } from './probe-calls.ts';

/** Where a client's network namespace is, or why that is not known. */
export type Located = { readonly path: string } | { readonly why: string };

export interface NamespaceProberOptions {
  readonly clients: readonly Pod[];
  /** Canonical text; asked in this order. */
  readonly dnsServers: readonly string[];
  locate(client: Pod): Located;
}

/** More addresses than a name usually has; each is a connection. */
const MAX_ADDRESSES = 16;

export class NamespaceProber implements Prober {
  readonly #options: NamespaceProberOptions;
  /** By the path of the namespace. */
  readonly #children = new Map<string, ProbeChild>();

  constructor(options: NamespaceProberOptions) {
    this.#options = options;
  }

  async see(source: Source, check: ConnectCheck | AskCheck, timeoutMs: number): Promise<Seen> {
    const probe = this.#probeOf(source);
    if ('why' in probe) return unknown(probe.why);
    try {
      return await (check.kind === 'ask'
        ? this.#ask(probe.child, check, timeoutMs)
        : this.#connect(probe, check, timeoutMs));
    } catch (error) {
      if (error instanceof ProbeError) return unknown(error.message);
      throw error;
    }
  }

  close(): Promise<void> {
    for (const child of this.#children.values()) child.end();
    return Promise.resolve();
  }

  async #ask(child: ProbeChild, { name, type }: AskCheck, timeoutMs: number): Promise<Seen> {
    return seenAsked(await child.call('ask', { name, type, servers: this.#options.dnsServers, timeoutMs }));
  }

  /** Half of the time is for finding the addresses, half for reaching them. */
  async #connect(probe: FoundProbe, check: ConnectCheck, timeoutMs: number): Promise<Seen> {
    const addresses = await this.#addressesOf(probe, check, timeoutMs / 2);
    if (!Array.isArray(addresses)) return addresses;
    const listener = check.protocol === 'udp' ? this.#listenerOf(check) : undefined;
    const request = {
      protocol: check.protocol,
      addresses: addresses.slice(0, MAX_ADDRESSES),
      port: check.port,
      token: randomUUID(),
      timeoutMs: timeoutMs / 2,
    };
    if (listener === undefined) return seenReached(check.protocol, await probe.child.call('reach', request));
    const listening: Listening = { addresses: request.addresses, port: check.port };
    const obstacle = await listener.call('listen', listening);
    try {
      const reached = await probe.child.call('reach', request);
      if (obstacle !== null) return seenReached('udp', reached, `cannot listen there: ${obstacle}`);
      // Its answer may have been lost.
      if (await listener.call('heard', { token: request.token })) return ARRIVED;
      return reached.address === null ? asBlocked(reached) : seenReached('udp', reached);
    } finally {
      if (obstacle === null) await listener.call('unlisten', listening);
    }
  }

  /** A verdict where there is nothing to connect to. */
  async #addressesOf({ child, isOwn }: FoundProbe, { to }: ConnectCheck, timeoutMs: number): Promise<string[] | Seen> {
    switch (to.kind) {
      case 'address':
        return [to.text];
      case 'name': {
        if (!isOwn) return this.#resolve(child, to.text, timeoutMs);
        const found = await child.call('lookup', { name: to.text });
        return typeof found === 'string' ? unknown(found) : [...found];
      }
      case 'pod':
      case 'deployment':
      case 'statefulset':
      case 'daemonset': {
        const found = findClient(this.#options.clients, to);
        return found.ok ? [...found.pod.addresses] : unknown(`${describeTarget(to)}: ${found.why}`);
      }
      default:
        return assertNever(to);
    }
  }

  async #resolve(child: ProbeChild, name: string, timeoutMs: number): Promise<string[] | Seen> {
    const question = { name, servers: this.#options.dnsServers, timeoutMs };
    const types = [TYPE.A, TYPE.AAAA];
    return mergeAnswers(await Promise.all(types.map((type) => child.call('ask', { ...question, type }))));
  }

  /** The probe at the destination, where there is one. */
  #listenerOf({ to }: ConnectCheck): ProbeChild | undefined {
    const probe = 'namespace' in to ? this.#probeOf(to) : undefined;
    return probe === undefined || 'why' in probe ? undefined : probe.child;
  }

  #probeOf(source: Source): FoundProbe | { readonly why: string } {
    if (source.kind === 'host') return { child: this.#childIn('own'), isOwn: true };
    const found = findClient(this.#options.clients, source);
    if (!found.ok) return found;
    const located = this.#options.locate(found.pod);
    return 'why' in located ? located : { child: this.#childIn(located.path), isOwn: false };
  }

  #childIn(path: string): ProbeChild {
    const child = this.#children.get(path) ?? new ProbeChild(path);
    this.#children.set(path, child);
    return child;
  }
}

interface FoundProbe {
  readonly child: ProbeChild;
  /** In the namespace that we are in ourselves, whose resolv.conf is its own. */
  readonly isOwn: boolean;
}
