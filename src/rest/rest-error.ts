import { EngineError, type EngineErrorOptions } from '../common/errors.ts';

/** What a caller did wrong, or has to wait for, with the status of the answer. */
export class RestError extends EngineError {
  override readonly name = 'RestError';
  readonly status: number;

  constructor(
    code: string,
    status: number,
    kind: 'invalid' | 'unavailable',
    summary: string,
    options: EngineErrorOptions = {},
  ) {
    super(code, kind, summary, options);
    this.status = status;
  }
}

/** Flink's own words: its clients show them, and scripts look for them. */
export function badRequestError(problem: string): RestError {
  return new RestError('RST-001', 400, 'invalid', `Bad request: ${problem}`, {
    hint: 'Correct the request; docs/guides/rest.md shows each one.',
  });
}

export function notFoundError(what: string, hint?: string): RestError {
  return new RestError('RST-002', 404, 'invalid', what, hint === undefined ? {} : { hint });
}

export function conflictError(problem: string): RestError {
  return new RestError('RST-003', 409, 'invalid', problem, {
    hint: 'Look at GET /jobs/overview for what the job does now.',
  });
}

export function tokenError(): RestError {
  return new RestError('RST-004', 401, 'invalid', 'the token is missing or wrong', {
    hint: 'Send the header Authorization: Bearer <token>, with the token of tidemark.rest.token.',
  });
}

export function foreignPageError(header: string, got: string): RestError {
  return new RestError('RST-005', 403, 'invalid', 'the request seems to come from a web page', {
    details: { header, got: got.slice(0, 100) },
    hint: 'Call the address that rest.address names, without a browser page of another site between.',
  });
}

export function tooLargeError(limitBytes: number): RestError {
  return new RestError('RST-006', 413, 'invalid', 'the body is too large', {
    details: { limitBytes },
    hint: 'Send less, or raise rest.server.max-content-length for an upload.',
  });
}

export function tooManyError(what: string, most: number): RestError {
  return new RestError('RST-007', 503, 'unavailable', `too many ${what}`, {
    details: { most },
    hint: 'Wait until some of them are done or gone, and send the request again.',
  });
}
