// How the API server refuses: an error that becomes a Status object, with the HTTP status that goes with it.
import type { ApiPath, Verb } from './path.ts';
import type { Resource } from './resources.ts';

interface Refusal {
  readonly code: number;
  readonly reason: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** The token that a client may go on with although the list is gone. */
  readonly continueToken?: string;
}

export class StatusError extends Error {
  readonly refusal: Refusal;

  constructor(message: string, refusal: Refusal) {
    super(message);
    this.refusal = refusal;
  }

  /** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
  toStatus(): object {
    const { code, reason, details, continueToken } = this.refusal;
    const metadata = continueToken === undefined ? {} : { continue: continueToken };
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata,
      status: 'Failure',
      message: this.message,
      reason,
      details,
      code,
    };
  }

  get retryAfterSeconds(): number | undefined {
    const seconds = this.refusal.details?.['retryAfterSeconds'];
    return typeof seconds === 'number' ? seconds : undefined;
  }
}

export function badRequest(message: string): StatusError {
  return new StatusError(message, { code: 400, reason: 'BadRequest' });
}

export function unauthorized(): StatusError {
  return new StatusError('Unauthorized', { code: 401, reason: 'Unauthorized' });
}

export function forbidden(verb: Verb, { group, resource, namespace }: ApiPath): StatusError {
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return new StatusError(
    `${resource} is forbidden: cannot ${verb} resource "${resource}" in API group "${group}" ${where}`,
    {
      code: 403,
      reason: 'Forbidden',
      details: { kind: resource, ...(group !== '' && { group }) },
    },
  );
}

/** For a path, a resource or a group that is not there, as for a CustomResourceDefinition that is not installed. */
export function noSuchResource(): StatusError {
  return new StatusError('the server could not find the requested resource', {
    code: 404,
    reason: 'NotFound',
    details: {},
  });
}

export function notFound({ group, resource }: Resource, name: string): StatusError {
  return new StatusError(`${[resource, group].filter((part) => part !== '').join('.')} "${name}" not found`, {
    code: 404,
    reason: 'NotFound',
    details: { name, ...(group !== '' && { group }), kind: resource },
  });
}

export function alreadyExists({ resource }: Resource, name: string): StatusError {
  const details = { name, kind: resource };
  return new StatusError(`${resource} "${name}" already exists`, { code: 409, reason: 'AlreadyExists', details });
}

/** A version of the past that is no longer kept: 410, also inside a watch. */
export function expired(message: string, continueToken?: string): StatusError {
  return new StatusError(message, {
    code: 410,
    reason: 'Expired',
    ...(continueToken !== undefined && { continueToken }),
  });
}

/** A combination of options, or a field of an object, that is not allowed. */
export function invalid(kind: string, field: string, message: string): StatusError {
  const causes = [{ reason: 'FieldValueForbidden', message, field }];
  return new StatusError(`${kind} is invalid: ${field}: ${message}`, {
    code: 422,
    reason: 'Invalid',
    details: { kind, causes },
  });
}

/** A version of the future. The real server first waits three seconds for it. */
export function tooLarge(version: number, current: number): StatusError {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  return new StatusError(`Too large resource version: ${version}, current: ${current}`, {
    code: 504,
    reason: 'Timeout',
    details: { causes, retryAfterSeconds: 1 },
  });
}

/** What the real server does and the stand-in does not: said loudly, so that no test passes by accident. */
export function notImitated(what: string): StatusError {
  return new StatusError(`The API server stand-in does not imitate ${what}`, { code: 501, reason: 'NotImplemented' });
}
