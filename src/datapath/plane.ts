// All state of the data plane, made once. Stages get it and a slot; nothing here decides anything.
import type { AuditRing } from '../bridge/audit-ring.ts';
import type { Counters } from '../bridge/counters.ts';
import { Answer, MAX_RECORDS } from '../dns/answer.ts';
import { Chain } from '../dns/chain.ts';
import { MAX_MESSAGE_BYTES } from '../dns/codes.ts';
import { ReplyWriter } from '../dns/reply-writer.ts';
import { Query } from '../dns/query.ts';
import { familyOf } from '../base/ip.ts';
import { COMMIT, NetlinkSetWriter } from '../kernel/set-writer.ts';
import type { Carrier } from '../kernel/set-writer.ts';
import { PacketBatch } from '../sys/packet-batch.ts';
import type { Fd, Sys } from '../sys/sys.ts';
import { AuditDetail, AuditSubject } from './audit.ts';
import type { DatapathSettings } from './settings.ts';
import { AnswerStore, NO_ANSWER } from './state/answer-store.ts';
import { newDraft } from './state/answer-draft.ts';
import type { AnswerKey } from './state/answer-draft.ts';
import { AnswerRanges } from './state/answer-ranges.ts';
import { AuditBudget } from './state/audit-budget.ts';
import { ClientStreams } from './state/client-streams.ts';
import { Budgets } from './state/budgets.ts';
import { CAP_KEYS } from './caps.ts';
import { Deadlines } from './state/deadlines.ts';
import { EventWindows } from './state/event-windows.ts';
import { Digs } from './state/digs.ts';
import { Failures } from './state/failures.ts';
import { Grants } from './state/grants.ts';
import { Lookups, Noted } from './state/lookups.ts';
import { NameSuffixes } from './state/name-suffixes.ts';
import { POD_INDEXES, PodTable } from './state/pod-table.ts';
import { Programs, UNSELECTED } from './state/programs.ts';
import type { Verdict } from './state/programs.ts';
import { NAME_BYTES, QUESTION_BYTES, QuerySlots } from './state/query-slots.ts';
import { RandomPool } from './state/random.ts';
import type { UpstreamSocket } from './state/upstream-socket.ts';
import { SERVER_PLACES } from './state/upstream-servers.ts';
import { Upstreams } from './state/upstreams.ts';
import { Withdrawn } from './state/withdrawn.ts';

/** recvmmsg of more gains less than 1 % (design §1). */
export const BATCH = 64;
/** A query fits the smallest EDNS payload; a longer datagram is cut by the kernel and then malformed. */
const QUERY_BYTES = 2048;
/** We advertise 1,232 (RFC 9715); a server that sends more is read up to here. */
const ANSWER_BYTES = 4096;
/** Over TCP an answer may be as long as a message can be. */
const REWRITTEN_BYTES = MAX_MESSAGE_BYTES;
/** Replies never exceed EDNS_PAYLOAD_BYTES. */
const REPLY_BYTES = 1280;
/** Half a second of answers at 83,000 a second times 300 bytes. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;
/**
 * By PATIENCE. Short: another server is asked then, which helps against a slow one (M76) and costs little where 400 ms are rare. Long: within the
 * client's own 5 s (resolv.conf(5)) there is room for three.
 */
const ATTEMPT_MS = [400, 1_200];
/** Connections of clients that may wait to be accepted; the kernel's own limit is 4,096. */
const BACKLOG = 1_024;

/** The fields of a slot that build-reply.ts wants in one place (its Asked and UpstreamQuestion). */
export class AskedSlot {
  id = 0;
  flags = 0;
  qname = new Uint8Array(QUESTION_BYTES);
  questionLength = 0;
  hasOpt = false;
  dnssecOk = false;
}

/** build-reply.ts's Room, to be pointed at one packet after the other. */
export class WritableRoom {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  limit = 0;
}

export interface Listener {
  readonly fd: Fd;
  /** Listens for connections. */
  readonly streamFd: Fd;
  readonly family: 4 | 6;
  /** Replies that wait to be sent from this address. */
  readonly replies: PacketBatch;
}

export class Plane {
  readonly sys: Sys;
  readonly settings: DatapathSettings;
  readonly counters: Float64Array;
  readonly audit: AuditRing;

  readonly query = new Query();
  readonly answer = new Answer();
  readonly chain = new Chain();
  readonly replyWriter = new ReplyWriter();
  /** Whom the reply at hand is for, and where it is written: filled in anew for each. */
  readonly asked = new AskedSlot();
  readonly room = new WritableRoom();
  readonly detail = new AuditDetail();
  readonly subject = new AuditSubject();
  /** One budget more than pods: for clients that are none. */
  readonly auditBudget = new AuditBudget(POD_INDEXES + 1);
  readonly foldedCounts = new Uint8Array(16);
  /** The same for what they may ask. */
  readonly budgets: Budgets;
  /** Limits that were reached (caps.ts), and answers to nothing that was asked, by the place of the server that they seem to come from. */
  readonly caps = new EventWindows(CAP_KEYS);
  readonly spoofs = new EventWindows(SERVER_PLACES);
  /** The question that a datagram from upstream is compared with (dns/answer.ts, Question). */
  readonly askedQuestion = { folded: new Uint8Array(NAME_BYTES), qnameLength: 0, qtype: 0 };
  /** The socket that the questions in `outgoing` will leave by. */
  outgoingSocket: UpstreamSocket | undefined;
  /** Address of a peer that has no slot. */
  readonly peer = new Uint8Array(16);
  /** Where an upstream's answer is rewritten before it is stored. */
  readonly draft = newDraft(REWRITTEN_BYTES, MAX_RECORDS);
  /** What admit.ts tells plane.lookups. */
  readonly noted = new Noted();
  /** What cache.ts asks the store for. */
  readonly key: { -readonly [K in keyof AnswerKey]: AnswerKey[K] };
  /** Slots whose grants are in the batch that is being written. */
  admitted: Int32Array;
  admittedCount = 0;
  /** Slots whose grants the kernel is asked for; what it said, COMMIT.Pending until it has; and since when it is asked. */
  submitted: Int32Array;
  submittedCount = 0;
  outcome: number = COMMIT.Done;
  submittedMs = 0;
  /** True when somebody deleted our sets while it was asked. */
  isSubmittedDoubtful = false;
  /** True when nothing was sent for it, because of the pause after a refusal. */
  isUntried = false;
  /** Number of the batch that is being written, and of the one that each slot in state Commit waits for. */
  batch = 0;
  readonly batchOf: Float64Array;
  /** Until then nothing is sent to the kernel, since it said that our sets are gone. */
  refusedUntilMs = 0;
  readonly queries: PacketBatch;
  readonly answers: PacketBatch;
  readonly outgoing: PacketBatch;

  readonly slots = new QuerySlots();
  readonly pods = new PodTable();
  readonly store: AnswerStore;
  readonly failures = new Failures();
  readonly lookups = new Lookups();
  readonly withdrawn = new Withdrawn();
  readonly deadlines: Deadlines;
  readonly random: RandomPool;
  readonly grants: Grants;
  readonly upstreams: Upstreams;
  readonly listeners: readonly Listener[];
  /** TCP connections of clients. */
  readonly clients: ClientStreams;
  readonly writer: NetlinkSetWriter;
  /** What operators ask in the names of pods. */
  readonly digs = new Digs();
  readonly ranges: AnswerRanges;
  /** Secret seed of every hash over names. */
  readonly seed: number;
  /** Slots that wait for one answer, by the hash of their question: the first of them asked upstream. */
  readonly asking = new Map<number, number>();
  /** What each slot in state Commit is to be answered with, and its serial there. */
  readonly stored: Int32Array;
  readonly storedSerial: Int32Array;
  readonly verdicts: Verdict[];

  readonly clusterZones: NameSuffixes;
  programs = new Programs([]);
  /** Content id of the program that each pod's grants were made under, by pod index; '' for none. */
  readonly programIds: string[] = [];
  /** Pods whose program changed and whose grants were not looked through since. */
  readonly unpruned = new Set<number>();
  generation = 0;
  /** Class ids of the snapshot in force. */
  classIds: readonly string[] = [];
  /** Of the snapshot in force. */
  shield = '';
  /** The kernel's sets of these classes. */
  setNames: ReadonlySet<string> = new Set();
  /** Where the answer at hand came from (QuerySlots.socket, .upstreamId, .server); socket -1: nowhere. */
  readonly answeredBy = { socket: -1, id: 0, server: 0 };
  /** Slots that wait for an upstream. */
  waiting = 0;
  /** Time of this turn. */
  nowMs = 0;
  wallMs = 0;

  /** Opens every socket but those to upstreams: `loop.ts` does, which waits for them. Throws SysError. */
  constructor(sys: Sys, settings: DatapathSettings, counters: Counters, ring: AuditRing, carrier?: Carrier) {
    this.sys = sys;
    this.settings = settings;
    this.counters = counters.words;
    this.audit = ring;
    this.budgets = new Budgets(POD_INDEXES + 1, settings);
    this.random = new RandomPool(sys);
    this.seed = this.random.next32();
    this.grants = new Grants(this.random.next32(), POD_INDEXES);
    this.admitted = new Int32Array(this.slots.capacity);
    this.submitted = new Int32Array(this.slots.capacity);
    this.batchOf = new Float64Array(this.slots.capacity);
    this.deadlines = new Deadlines(ATTEMPT_MS, this.slots.capacity);
    this.stored = new Int32Array(this.slots.capacity).fill(NO_ANSWER);
    this.storedSerial = new Int32Array(this.slots.capacity);
    this.key = { hash: 0, name: this.slots.folded, nameAt: 0, nameBytes: 0, qtype: 0, flags: 0, pod: 0 };
    this.verdicts = Array.from({ length: this.slots.capacity }, () => UNSELECTED);
    this.store = new AnswerStore(settings.cacheBytes);
    this.clusterZones = new NameSuffixes(settings.clusterZones ?? []);
    this.clients = new ClientStreams(sys);
    this.ranges = new AnswerRanges(settings.protect, settings.internalZones);
    this.queries = new PacketBatch(sys, BATCH, QUERY_BYTES);
    this.answers = new PacketBatch(sys, BATCH, ANSWER_BYTES);
    this.outgoing = new PacketBatch(sys, BATCH, QUERY_BYTES);
    this.queries.prepareReceive();
    this.answers.prepareReceive();
    this.outgoing.useConnectedPeer();
    this.listeners = settings.listen.map((endpoint) => ({
      fd: sys.udpListen(endpoint, { receiveBufferBytes: RECEIVE_BUFFER_BYTES, transparent: settings.transparent }),
      streamFd: sys.streams.listen(endpoint, { transparent: settings.transparent, backlog: BACKLOG }),
      family: familyOf(endpoint.address),
      replies: new PacketBatch(sys, BATCH, REPLY_BYTES),
    }));
    this.upstreams = new Upstreams(sys, this.random, settings.listen);
    const { table, strategy } = settings;
    this.writer = NetlinkSetWriter.open(sys, { table, strategy, ...(carrier === undefined ? {} : { carrier }) });
  }

  count(word: number): void {
    this.counters[word]!++;
  }
}
