// What an operator who asked in the name of a pod is told about the way of the question (`namewall dig`): noted as it goes by, handed over at its
// end. It decides nothing, and nothing of it is on the way of other queries.
import type { DigAttempt, DigGrant } from '../bridge/dig.ts';
import { ANSWER } from '../dns/answer.ts';
import { RCODE, rcodeName } from '../dns/codes.ts';
import type { Plane } from './plane.ts';
import type { AttemptUnderWay, Dig } from './state/digs.ts';
import { ATTEMPTS, STATE } from './state/query-slots.ts';
import { STREAM_INDEX } from './state/upstream-streams.ts';

const ADDRESS_BYTES = 16;

/** The question of `slot` was sent to a server just now. */
export function noteAsked(plane: Plane, slot: number): void {
  const last = plane.slots.attempts[slot]! - 1;
  plane.digs.forEach((dig) => {
    if (isAskedBy(plane, dig, slot)) noteAttempt(plane, dig, last, plane.nowMs - plane.slots.receivedMs[dig.slot]!);
  });
}

/** `dig` waits for what `leader` has asked: what was sent until now is its way, too. */
export function noteMerged(plane: Plane, dig: Dig, leader: number): void {
  const { slots } = plane;
  dig.asker = leader;
  // Only the first one went out when its query came; nobody noted when the others did.
  const firstMs = slots.receivedMs[leader]! - slots.receivedMs[dig.slot]!;
  for (let i = 0; i < slots.attempts[leader]!; i++) noteAttempt(plane, dig, i, i === 0 ? firstMs : null);
}

/** The message in plane.answer, which parseAnswer gave this code, answers what `slot` has asked. */
export function noteAnswered(plane: Plane, slot: number, code: number): void {
  const { socket, id } = plane.answeredBy;
  noteOutcome(plane, slot, (attempt) => attempt.socket === socket && attempt.id === id, outcomeOf(plane, code));
}

/** The connection `index`, on which `slot` has asked, is gone. */
export function noteLost(plane: Plane, slot: number, index: number): void {
  noteOutcome(plane, slot, (attempt) => attempt.socket === index, 'connection lost');
}

/** `answer` of the store answers the question of `slot`, which may be somebody else's. */
export function noteSaid({ digs, store, nowMs }: Plane, slot: number, answer: number): void {
  const dig = digs.at(slot);
  if (dig === undefined) return;
  const at = store.bodyAt(answer, false);
  dig.said = {
    message: store.bytes.slice(at, at + store.bodyBytes(answer, false)),
    ageMs: nowMs - store.storedMs(answer),
    leftMs: store.expiryMs(answer) - nowMs,
  };
}

/** It is over: what plane.detail says is the end of it. */
export function handOver(plane: Plane, slot: number): void {
  const dig = plane.digs.end(slot);
  if (dig === undefined) return;
  const { rule, toldBy = -1, classes } = plane.verdicts[slot]!;
  const { records, reply, said, attempts } = dig;
  dig.told({
    kind: 'asked',
    records,
    reply,
    said,
    attempts: attempts.map(({ attempt }) => attempt),
    rule,
    toldBy,
    classes,
    generation: plane.generation,
    grants: livingGrants(plane, slot),
  });
}

function isAskedBy({ slots }: Plane, dig: Dig, slot: number): boolean {
  if (dig.asker !== slot) return false;
  // While it waits for another's answer that slot is the one that it was; later it may be anybody's.
  return slot === dig.slot || slots.state[dig.slot] === STATE.Upstream;
}

function noteAttempt(plane: Plane, dig: Dig, i: number, atMs: number | null): void {
  const { slots, upstreams } = plane;
  const socket = slots.socket[dig.asker * ATTEMPTS + i]!;
  const isByStream = socket >= STREAM_INDEX;
  const server = isByStream ? upstreams.streams.at(socket)?.server : upstreams.servers.sockets[socket]?.server;
  const endpoint = server === undefined ? undefined : upstreams.servers.endpoint(server);
  if (endpoint === undefined) return; // a connection that has ended since
  dig.attempts.push({
    socket,
    id: slots.upstreamId[dig.asker * ATTEMPTS + i]!,
    attempt: {
      ...endpoint,
      transport: isByStream ? 'tcp' : 'udp',
      hasEdns: slots.isPlain[dig.asker] === 0,
      atMs,
      outcome: null,
      tookMs: null,
    },
  });
}

function noteOutcome(plane: Plane, slot: number, isIt: (attempt: AttemptUnderWay) => boolean, outcome: string): void {
  plane.digs.forEach((dig) => {
    const found = isAskedBy(plane, dig, slot) ? dig.attempts.findLast(isIt) : undefined;
    if (found === undefined) return;
    const { atMs } = found.attempt;
    const tookMs = atMs === null ? null : plane.nowMs - plane.slots.receivedMs[dig.slot]! - atMs;
    found.attempt = { ...found.attempt, outcome, tookMs } satisfies DigAttempt;
  });
}

function outcomeOf({ answer }: Plane, code: number): string {
  if (code === ANSWER.Truncated) return 'truncated';
  // Servers from before EDNS answer with a header alone (ask.ts), which is unusable for anything else.
  const isRefusal = answer.rcode === RCODE.FormErr || answer.rcode === RCODE.NotImp;
  return code === ANSWER.Ok || isRefusal ? rcodeName(answer.rcode) : 'unusable';
}

/** Which addresses of the reply are granted now, by this lookup or an earlier one. */
function livingGrants(plane: Plane, slot: number): DigGrant[] {
  const { detail, grants, slots, nowMs } = plane;
  const found: DigGrant[] = [];
  for (const classIndex of plane.verdicts[slot]!.classes) {
    for (let i = 0; i < detail.addressCount; i++) {
      const at = detail.addressesAt + i * ADDRESS_BYTES;
      const leftMs = grants.expiryMs(classIndex, slots.pod[slot]!, detail.addresses, at) - nowMs;
      if (leftMs <= 0) continue;
      found.push({ classIndex, address: detail.addresses.slice(at, at + ADDRESS_BYTES), leftMs });
    }
  }
  return found;
}
