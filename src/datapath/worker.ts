// Thread entry: opens the sockets, runs the loop until it is told to stop, and tells the main thread when it cannot. It never exits the
// process itself: the main thread does, and is never blocked (V23).
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assertNever, CodedError } from '../base/errors.ts';
import { AuditRing } from '../bridge/audit-ring.ts';
import { CommitChannel } from '../bridge/commit-channel.ts';
import { Control } from '../bridge/control.ts';
import { Counters } from '../bridge/counters.ts';
import type { DatapathStart, FromDatapath, ToDatapath } from '../bridge/protocol.ts';
import { Libnftables } from '../sys/libnftables.ts';
import { LinuxSys } from '../sys/linux.ts';
import { Loop } from './loop.ts';
import type { UpstreamZone } from './settings.ts';

function run(port: MessagePort, start: DatapathStart): void {
  const control = new Control(start.controlBuffer);
  const tell = (message: FromDatapath): void => port.postMessage(message);
  const shared = {
    control,
    counters: new Counters(start.countersBuffer),
    ring: new AuditRing(start.ringBuffer),
    channel: new CommitChannel(start.commitBuffer),
  };
  const sys = LinuxSys.open();
  sys.preferSoonTurns();
  const nft = Libnftables.open();
  const loop = new Loop(sys, start.settings, shared, {
    onWake: () => readMessages(port, loop, tell),
    onOpen: (shield) => void nft?.run(shield),
    onKernelTouched: () => tell({ kind: 'kernel-touched' }),
    onKernelDamage: () => tell({ kind: 'kernel-damage' }),
    onInternalError: (error) => tell({ kind: 'internal-error', stack: stackOf(error) }),
  });
  loop.adopt(start.snapshot);
  loop.inherit(start.inheritance);
  tell({ kind: 'listening', wakeFd: loop.wakeFd, unreachable: loop.plane.upstreams.unreachable });
  while (!control.isStopRequested()) loop.turn();
  loop.close();
}

function readMessages(port: MessagePort, loop: Loop, tell: (message: FromDatapath) => void): void {
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    const message = received.message as ToDatapath; // the main thread sends nothing else (bridge/protocol.ts)
    const answer = carryOut(loop, message, tell);
    if (answer !== undefined) tell(answer);
  }
}

/** Undefined: the answer comes later. */
function carryOut(loop: Loop, message: ToDatapath, tell: (message: FromDatapath) => void): FromDatapath | undefined {
  switch (message.kind) {
    case 'snapshot':
      return { kind: 'done', isComplete: loop.adopt(message.snapshot) };
    case 'prune':
      return { kind: 'done', isComplete: loop.prune() };
    case 'upstreams':
      return replaceUpstreams(loop, message.zones);
    case 'recall':
      return { kind: 'recalled', names: loop.recall(message.questions) };
    case 'lookups':
      return { kind: 'kept-lookups', lookups: loop.keptLookups(message.pod) };
    case 'refill':
      return { kind: 'refilled', next: loop.refill(message.from) };
    case 'dig':
      loop.dig(message.question, (dug) => tell({ kind: 'dug', token: message.token, dug }));
      return undefined;
    case 'throw':
      throw new Error('Thrown on purpose in the data plane');
    default:
      return assertNever(message);
  }
}

/** What the world or the cluster gives may be unusable: the loop goes on with the zones that it has. */
function replaceUpstreams(loop: Loop, zones: readonly UpstreamZone[]): FromDatapath {
  try {
    return { kind: 'upstreams-replaced', unreachable: loop.replaceUpstreams(zones) };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { kind: 'upstreams-refused', code: error.code, message: error.message };
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

if (parentPort === null) throw new Error('worker.ts is the entry of a thread: start it by agent/datapath-host.ts');
try {
  run(parentPort, workerData as DatapathStart); // datapath-host.ts passes nothing else
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'internal-error';
  const message = error instanceof Error ? error.message : String(error);
  const fatal: FromDatapath = { kind: 'fatal', code, message, stack: stackOf(error) };
  parentPort.postMessage(fatal);
}
