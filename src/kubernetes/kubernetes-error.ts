// The one error of this folder: what can go wrong between us and the API server.
import { CodedError } from '../base/errors.ts';

/**
 * `bad-config`: no usable kubeconfig. `unreachable`: no connection, or it broke. `silent`: it stayed open without a byte. `refused`:
 * another status than 200. `broken-answer`: not what the API promises. `too-big`: over one of our limits.
 */
type KubernetesErrorCode = 'bad-config' | 'unreachable' | 'silent' | 'refused' | 'broken-answer' | 'too-big';

interface Details extends ErrorOptions {
  readonly status?: number;
  readonly retryAfterMs?: number;
}

export class KubernetesError extends CodedError<KubernetesErrorCode> {
  /** HTTP status, or the code of an ERROR event inside a watch; 0 when there was none. */
  readonly status: number;
  /** What the server asked for with Retry-After; 0 when it did not. */
  readonly retryAfterMs: number;

  constructor(code: KubernetesErrorCode, message: string, { status = 0, retryAfterMs = 0, ...options }: Details = {}) {
    super(code, message, options);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}
