// The one error of this folder.
import { CodedError } from '../base/errors.ts';

/** `nft`, `ip`: that program, or the kernel through it, refused. `not-found`: the program is not installed. `bad-input`: our caller's fault. */
export type KernelErrorCode = 'bad-input' | 'nft' | 'ip' | 'not-found';

export class KernelError extends CodedError<KernelErrorCode> {}
