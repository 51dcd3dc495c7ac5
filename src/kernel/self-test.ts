// Finds out by trying how this kernel takes a new lifetime for an existing element (V4): old kernels silently ignore it, so asking
// for a version number would not do (distributions backport). Uses a table of its own and always removes it.
import { parseAddress } from '../base/ip.ts';
import type { Sys } from '../sys/sys.ts';
import { applyText } from './apply.ts';
import { KernelError } from './kernel-error.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';
import { COMMIT, NetlinkSetWriter } from './set-writer.ts';
import type { RefreshStrategy } from './set-writer.ts';

export const SCRATCH_TABLE = 'namewall_selftest';

const SCRATCH = `add table inet ${SCRATCH_TABLE}
delete table inet ${SCRATCH_TABLE}
table inet ${SCRATCH_TABLE} {
	set grants4_renewed {
		type ipv4_addr . ipv4_addr
		flags timeout
		elements = { 192.0.2.1 . 192.0.2.2 timeout 100s expires 50s }
	}
	set grants4_changed {
		type ipv4_addr . ipv4_addr
		flags timeout
	}
}
`;
const POD = parseAddress('192.0.2.1') ?? new Uint8Array(16);
const DESTINATION = parseAddress('192.0.2.2') ?? new Uint8Array(16);
const RENEWED = 0;
const CHANGED = 1;
// Jiffies, and the time between writing and reading back on a busy machine.
const TOLERANCE_MS = 10_000;

/** `update` when every kind of renewal is honoured, else `replace`. Throws KernelError, SysError when the kernel has no such sets at all. */
export async function chooseStrategy(sys: Sys, run: RunProgram = runProgram): Promise<RefreshStrategy> {
  const writer = NetlinkSetWriter.open(sys, { table: SCRATCH_TABLE, strategy: 'update' });
  try {
    await applyText(SCRATCH, run);
    writer.define(['renewed', 'changed']);
    return honoursUpdates(writer) ? 'update' : 'replace';
  } finally {
    writer.close();
    await applyText(`add table inet ${SCRATCH_TABLE}\ndelete table inet ${SCRATCH_TABLE}\n`, run);
  }
}

function honoursUpdates(writer: NetlinkSetWriter): boolean {
  // Equal timeout, half of it gone; then shorter; then longer.
  if (!leaves(writer, RENEWED, 100_000)) return false;
  put(writer, CHANGED, 60_000);
  return leaves(writer, CHANGED, 30_000) && leaves(writer, CHANGED, 90_000) && removes(writer, CHANGED);
}

function leaves(writer: NetlinkSetWriter, classIndex: number, lifetimeMs: number): boolean {
  put(writer, classIndex, lifetimeMs);
  const left = writer.readBack(classIndex, POD, 0, DESTINATION, 0);
  return left > lifetimeMs - TOLERANCE_MS && left <= lifetimeMs;
}

/** `update` removes by DESTROYSETELEM, which came with Linux 6.3. */
function removes(writer: NetlinkSetWriter, classIndex: number): boolean {
  for (let time = 0; time < 2; time++) {
    writer.remove(classIndex, POD, 0, DESTINATION, 0);
    if (writer.commit() !== COMMIT.Done) return false;
  }
  return writer.readBack(classIndex, POD, 0, DESTINATION, 0) === 0;
}

function put(writer: NetlinkSetWriter, classIndex: number, lifetimeMs: number): void {
  writer.add(classIndex, POD, 0, DESTINATION, 0, lifetimeMs);
  const outcome = writer.commit();
  if (outcome === COMMIT.Done) return;
  throw new KernelError('nft', `Cannot add an element to a set with timeouts: kernel answered ${outcome}`);
}
