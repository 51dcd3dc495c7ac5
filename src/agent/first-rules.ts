// The kernel at a start, before our sockets open: what of the process before stays, whom audit mode is about, and the first rules. When this is
// done every selected pod is closed but for what it was granted (I5).
import type { Logger } from '../base/log.ts';
import { applyText } from '../kernel/apply.ts';
import { endGrants, readFormer } from '../kernel/inherited-grants.ts';
import { NFPROTO_BRIDGE } from '../kernel/netlink.ts';
import { ensureRoutes } from '../kernel/routes.ts';
import { TableReader } from '../kernel/table-reader.ts';
import type { Sys } from '../sys/sys.ts';
import { AuditMode } from './audit-mode.ts';
import { TABLE } from './config.ts';
import type { Config } from './config.ts';
import type { Health } from './health.ts';
import { takeOver } from './inheritance.ts';
import type { Takeover } from './inheritance.ts';
import { Links } from './links.ts';
import { LookupKeeper } from './lookup-keeper.ts';
import { bootId, machineMs } from './machine-clock.ts';
import { rulesOf } from './rules.ts';
import type { State } from './state.ts';
import { Table } from './table.ts';

export interface FirstRules {
  readonly reader: TableReader;
  readonly table: Table;
  readonly links: Links;
  readonly auditMode: AuditMode;
  readonly keeper: LookupKeeper | undefined;
  readonly takeover: Takeover;
}

/** Throws KernelError, SysError. */
export async function applyFirstRules(
  config: Config,
  sys: Sys,
  { health, log }: { readonly health: Health; readonly log: Logger },
  state: State,
): Promise<FirstRules> {
  const reader = TableReader.open(sys, TABLE);
  const keeper = config.state === 'off' ? undefined : new LookupKeeper(config.state, log);
  const former = readFormer(reader);
  const takeover = takeOver(config, state, former, (await keeper?.read(state)) ?? []);
  const { kept, ended } = takeover;
  await endGrants(ended, kept);
  if (former.grants.length > 0) {
    log.info({ kept: kept.length, ended: ended.length }, 'Took over grants from before the start');
  }
  const clock = { nowMs: machineMs, wallMs: () => sys.wallMs(), bootId: bootId() };
  const auditMode = new AuditMode(config.state, { clock, log, apply: applyText });
  const table = new Table(reader, () => TableReader.open(sys, TABLE, NFPROTO_BRIDGE));
  const links = new Links(config, health);
  await table.apply(rulesOf(await links.contextOf(state), state));
  await auditMode.put(state);
  await ensureRoutes({ mark: config.mark, table: config.routingTable, dnsServers: state.inputs.dnsServers });
  return { reader, table, links, auditMode, keeper, takeover };
}
