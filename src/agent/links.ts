// How clients' interfaces hang together with bridges, and whether what passes those bridges is seen at all.
import { bridgePorts, passBridgedPackets } from '../kernel/bridges.ts';
import type { Config } from './config.ts';
import type { Health } from './health.ts';
import type { RulesContext } from './rules.ts';
import type { State } from './state.ts';

const NO_BRIDGES: ReadonlyMap<string, string> = new Map();

/** The context of rules for `state`. Where a client is behind a bridge its packets are made to pass netfilter, or `health` is told. Throws KernelError. */
export async function rulesContext(config: Config, state: State, health: Health): Promise<RulesContext> {
  const links = state.registry.pods.flatMap(({ pod }) => pod.interface ?? []);
  const bridges = links.length === 0 ? NO_BRIDGES : await bridgePorts();
  const mend = links.some((link) => bridges.has(link)) ? passBridgedPackets() : undefined;
  if (mend === undefined) health.clear('packets of bridged clients pass unseen');
  else health.hold('packets of bridged clients pass unseen', mend);
  return { config, bridges };
}
