// What a test file says, whatever its format: a source, and what must be seen from there. Plain data; nothing here probes or judges.

/** How long a test may take that does not say so itself: netassert's default. */
export const DEFAULT_TIMEOUT_MS = 15_000;

export const WORKLOAD_KINDS = ['pod', 'deployment', 'statefulset', 'daemonset'] as const;

export interface Workload {
  readonly kind: (typeof WORKLOAD_KINDS)[number];
  readonly namespace: string;
  readonly name: string;
}

/** `host`: the network namespace that this process runs in. */
export type Source = Workload | { readonly kind: 'host' };

/** `address` is canonical text; `name` is absolute, no search list is applied. */
export type Target = Workload | { readonly kind: 'name' | 'address'; readonly text: string };

export interface ConnectCheck {
  readonly kind: 'connect';
  readonly to: Target;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly expect: 'allowed' | 'blocked';
}

/** What the DNS servers answer. `denied` is what says so itself (Extended DNS Error), so it never looks like `nxdomain`. */
export const DNS_OUTCOMES = ['answered', 'denied', 'nxdomain', 'nodata', 'refused', 'servfail', 'silent'] as const;

export interface AskCheck {
  readonly kind: 'ask';
  readonly name: string;
  /** The mnemonic as written, and its number. */
  readonly typeText: string;
  readonly type: number;
  readonly expect: (typeof DNS_OUTCOMES)[number];
  /** Canonical text; all of them must be in the answer. */
  readonly addresses: readonly string[];
}

export type Check =
  | ConnectCheck
  | AskCheck
  /** Written down, but nothing here can see it. */
  | { readonly kind: 'unprobed'; readonly why: string };

export interface TestCase {
  /** One line; no two tests of a run share it. */
  readonly name: string;
  /** FILE:LINE:COL. */
  readonly at: string;
  readonly source: Source;
  /** All must hold; at least one. */
  readonly checks: readonly Check[];
  /** How often each check is tried until it holds; they share `timeoutMs`. */
  readonly attempts: number;
  readonly timeoutMs: number;
}

/** What came of one check. `actual` is compared with what was expected, `detail` is for people. */
export type Seen =
  | {
      readonly kind: 'seen';
      readonly actual: string;
      /** Those of an answer; null where nobody was asked, and then they are not compared. */
      readonly addresses: readonly string[] | null;
      readonly detail: string;
    }
  /** Neither the one nor the other can be said: the test fails, whatever it expects. */
  | { readonly kind: 'unknown'; readonly detail: string }
  /** Not to be known in this mode. */
  | { readonly kind: 'skipped'; readonly detail: string };

/** Who looks: from inside the source's network namespace, or at the policy alone. */
export interface Prober {
  see(source: Source, check: ConnectCheck | AskCheck, timeoutMs: number): Promise<Seen>;
  close(): Promise<void>;
}

export function describeTarget(target: Target): string {
  return 'text' in target ? target.text : `${target.kind} ${target.namespace}/${target.name}`;
}
