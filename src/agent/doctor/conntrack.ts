// Settings of connection tracking and forwarding that policy or the audit depend on.
import type { Check, Fault } from './finding.ts';
import { ok, worst } from './finding.ts';
import { readNumber } from './proc-files.ts';

const FOLDER = '/proc/sys/net/netfilter/nf_conntrack';
/** Of the table; a full one drops new connections, of allowed clients too. */
const NEARLY_FULL = 0.8;

export const conntrackTable: Check = async ({ files }) => {
  const count = await readNumber(files, `${FOLDER}_count`);
  const max = await readNumber(files, `${FOLDER}_max`);
  if (count === undefined || max === undefined) return ok('conntrack-table', 'not in use yet');
  const loose = await readNumber(files, `${FOLDER}_tcp_loose`);
  const fault: Fault = {
    status: 'warn',
    found: `${count} of ${max} entries are in use`,
    why: 'when it is full the kernel drops new connections, granted ones too, and says so in dmesg only',
    mend: `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}`,
  };
  const isFull = max > 0 && count > max * NEARLY_FULL;
  return worst('conntrack-table', isFull ? [fault] : [], `${count} of ${max} entries, tcp_loose=${loose ?? 'none'}`);
};

export const conntrackAccounting: Check = async ({ files }) => {
  const value = await readNumber(files, `${FOLDER}_acct`);
  const fault: Fault = {
    status: 'warn',
    found: 'net.netfilter.nf_conntrack_acct is 0',
    why: 'the audit of allowed connections has no bytes and packets',
    mend: 'sysctl -w net.netfilter.nf_conntrack_acct=1',
  };
  return worst('conntrack-accounting', value === 0 ? [fault] : [], value === 1 ? 'on' : 'not in use yet');
};

/** Linux 6.0 took the setting away: helpers are then only where a rule asks for them. */
export const conntrackHelpers: Check = async ({ files }) => {
  const value = await readNumber(files, `${FOLDER}_helper`);
  const fault: Fault = {
    status: 'fail',
    found: 'net.netfilter.nf_conntrack_helper is 1',
    why: 'a client that writes an FTP or SIP command has the kernel expect a connection that no policy allows',
    mend: 'sysctl -w net.netfilter.nf_conntrack_helper=0',
  };
  return worst('conntrack-helpers', value === 1 ? [fault] : [], 'not assigned automatically');
};

/** On a cluster's node the network plugin sees to it, and nothing works without. */
export const forwarding: Check = async (context) => {
  if (context.options.mode !== 'host') return ok('forwarding', 'the network plugin’s matter on a node');
  const servers = await context.dnsServers();
  const settings = [
    { path: '/proc/sys/net/ipv4/ip_forward', key: 'net.ipv4.ip_forward', isUsed: true },
    {
      path: '/proc/sys/net/ipv6/conf/all/forwarding',
      key: 'net.ipv6.conf.all.forwarding',
      isUsed: servers.some((server) => server.includes(':')),
    },
  ];
  const faults: Fault[] = [];
  for (const { path, key, isUsed } of settings) {
    if (!isUsed || (await readNumber(context.files, path)) !== 0) continue;
    const why = 'clients look names up and reach nothing: this host does not forward their packets';
    faults.push({ status: 'warn', found: `${key} is 0`, why, mend: `sysctl -w ${key}=1` });
  }
  return worst('forwarding', faults, 'on');
};
