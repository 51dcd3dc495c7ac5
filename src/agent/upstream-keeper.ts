// Keeps the data plane's upstreams what the inputs say: sends them when they change, and again while some of them have no route, since a
// node's routes may come later than its agent.
import type { UpstreamZone } from '../datapath/settings.ts';
import { formatAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { DatapathHost } from './datapath-host.ts';

const AGAIN_MS = 10_000;

export class UpstreamKeeper {
  readonly #datapath: Pick<DatapathHost, 'setUpstreams'>;
  readonly #log: Logger;
  #zones: readonly UpstreamZone[];
  #unreachable = '';
  #timer: NodeJS.Timeout | undefined;

  /** `zones` and `unreachable` are what the data plane was started with, and what it said of them. */
  constructor(
    datapath: Pick<DatapathHost, 'setUpstreams'>,
    log: Logger,
    zones: readonly UpstreamZone[],
    unreachable: readonly string[],
  ) {
    this.#datapath = datapath;
    this.#log = log;
    this.#zones = zones;
    this.#tell(unreachable);
  }

  /** Resolves when every later query is asked of `zones`, or when the data plane has refused them: then it is tried again. */
  async use(zones: readonly UpstreamZone[]): Promise<void> {
    if (textOf(zones) === textOf(this.#zones)) return;
    this.#zones = zones;
    if (await this.#send()) this.#log.info({ upstreams: textOf(zones) }, 'other upstreams');
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #send(): Promise<boolean> {
    clearTimeout(this.#timer);
    try {
      const { unreachable } = await this.#datapath.setUpstreams(this.#zones);
      this.#tell(unreachable);
      return true;
    } catch (error) {
      this.#log.error({ error: String(error) }, 'Cannot use other upstreams: the last ones stay; trying again');
      this.#again();
      return false;
    }
  }

  #tell(unreachable: readonly string[]): void {
    const text = unreachable.toSorted().join(', ');
    if (text !== this.#unreachable && text !== '') {
      this.#log.warn({ upstreams: unreachable }, 'No route to these upstreams: they are left out until there is one');
    }
    this.#unreachable = text;
    if (text !== '') this.#again();
  }

  #again(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#send(), AGAIN_MS);
  }
}

function textOf(zones: readonly UpstreamZone[]): string {
  const serversOf = ({ servers }: UpstreamZone): string =>
    servers.map(({ address, port }) => `${formatAddress(address)} port ${port}`).join(', ');
  return zones.map((each) => `${each.zone}: ${serversOf(each)}`).join('; ');
}
