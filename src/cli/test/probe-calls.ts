// What the probe in a network namespace can be asked, and what it answers: it says what happened and judges nothing.

export type Asked =
  | {
      readonly outcome: 'reply';
      readonly rcode: number;
      /** Code of the Extended DNS Error (RFC 8914), null without one. */
      readonly ede: number | null;
      /** Records of the asked type in the answer section. */
      readonly records: number;
      /** Canonical text of its A and AAAA records. */
      readonly addresses: readonly string[];
    }
  | { readonly outcome: 'silent' }
  /** Nothing that can be used came back; `why` is an errno or says what is wrong with the answer. */
  | { readonly outcome: 'failed'; readonly why: string };

export interface Reached {
  /** The first address that took the connection, or answered the datagram; null when none did. */
  readonly address: string | null;
  /** For the others: `silent` or an errno. */
  readonly failures: readonly { readonly address: string; readonly why: string }[];
}

export interface ProbeCalls {
  /** Asks one server after the other until one replies; `timeoutMs` is shared. */
  readonly ask: {
    readonly request: {
      readonly name: string;
      readonly type: number;
      readonly servers: readonly string[];
      readonly timeoutMs: number;
    };
    readonly answer: Asked;
  };
  /** By the system's resolver: for the host's own namespace, where resolv.conf is its own. A text says why not. */
  readonly lookup: { readonly request: { readonly name: string }; readonly answer: readonly string[] | string };
  /** Tries all addresses at once. `token` is what a datagram carries. */
  readonly reach: {
    readonly request: {
      readonly protocol: 'tcp' | 'udp';
      readonly addresses: readonly string[];
      readonly port: number;
      readonly token: string;
      readonly timeoutMs: number;
    };
    readonly answer: Reached;
  };
  /** Answers datagrams to this port until unlisten; null, or why it cannot. */
  readonly listen: { readonly request: Listening; readonly answer: string | null };
  readonly unlisten: { readonly request: Listening; readonly answer: null };
  /** Whether a datagram with this text has come to any port listened on. */
  readonly heard: { readonly request: { readonly token: string }; readonly answer: boolean };
}

export interface Listening {
  readonly addresses: readonly string[];
  readonly port: number;
}
