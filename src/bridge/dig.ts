// A question that an operator asks in the name of a pod (`namewall dig`), and what became of it, as they go between the threads. Names of
// pods, rules and servers are added by the main thread, and the messages in it are read by the command.

/** Questions of operators that may be under way at a time; further ones are refused. */
export const MAX_DIGS = 16;

/** `query` is a whole message, `client` the 16 byte address that it comes from. */
export interface DigQuestion {
  readonly client: Uint8Array;
  readonly query: Uint8Array;
}

/** One question that was sent to an upstream. */
export interface DigAttempt {
  /** 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** False where the server is known not to take EDNS. */
  readonly hasEdns: boolean;
  /** Since the question was asked; negative: before, by the query that it was merged with; null: the same, and nobody knows when. */
  readonly atMs: number | null;
  /** The answer's rcode, `truncated`, `unusable` or `connection lost`; null: nothing came as long as it was waited for. */
  readonly outcome: string | null;
  /** From question to outcome; null where one of them is not known. */
  readonly tookMs: number | null;
}

/** The answer that a reply was made of. */
export interface DigSaid {
  /** What upstream said, before policy took anything away; TTLs as they came. */
  readonly message: Uint8Array;
  /** Since it came. */
  readonly ageMs: number;
  /** Until the cache forgets it; 0 and less: it is not kept. */
  readonly leftMs: number;
}

/** A grant of an address of the reply that lives now, whichever lookup made it. */
export interface DigGrant {
  readonly address: Uint8Array;
  /** Index into the classes of `generation`. */
  readonly classIndex: number;
  readonly leftMs: number;
}

export type Dug =
  /** MAX_DIGS are under way. */
  | { readonly kind: 'busy' }
  | {
      readonly kind: 'asked';
      /** As in the audit ring (audit-record.ts): a record for each grant, then one of the answer. None: it was refused before anybody judged its name. */
      readonly records: readonly Uint8Array[];
      /** As the pod gets it over TCP; undefined: none was sent. */
      readonly reply: Uint8Array | undefined;
      /** Undefined: nothing usable is known. */
      readonly said: DigSaid | undefined;
      /** In order of sending, those of a query that it waited for included. */
      readonly attempts: readonly DigAttempt[];
      /** The rule that allows the name and what it opens: indexes into rules and classes of `generation`; -1: no rule. */
      readonly rule: number;
      /** The rule that would deny the question, if its policy did not only audit; -1: none. */
      readonly toldBy: number;
      readonly classes: readonly number[];
      readonly generation: number;
      readonly grants: readonly DigGrant[];
    };
