import { EngineError, type ErrorKind } from './errors.ts';

/** An error as plain data, to be carried to another thread or process. */
export interface TransferredError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly engine:
    | {
        readonly code: string;
        readonly kind: ErrorKind;
        readonly details: Readonly<Record<string, string | number | boolean>>;
      }
    | undefined;
  readonly cause: TransferredError | undefined;
}

/** Causes deeper than this are left out: a chain may be a ring. */
const CAUSES_MAX = 8;

export function transferError(error: unknown, depth = 0): TransferredError {
  if (!(error instanceof Error)) {
    const message = typeof error === 'string' ? error : String(error);
    return { name: 'Error', message, stack: undefined, engine: undefined, cause: undefined };
  }
  const engine =
    error instanceof EngineError
      ? { code: error.code, kind: error.kind, details: error.details }
      : undefined;
  const cause =
    error.cause === undefined || depth >= CAUSES_MAX
      ? undefined
      : transferError(error.cause, depth + 1);
  return { name: error.name, message: error.message, stack: error.stack, engine, cause };
}

/** The error again: an `EngineError` with its code and kind if it was one, else a plain one of that name. */
export function receiveError(transferred: TransferredError): Error {
  const { name, message, stack, engine } = transferred;
  const options = transferred.cause === undefined ? {} : { cause: receiveError(transferred.cause) };
  const error =
    engine === undefined
      ? Object.assign(new Error(message, options), { name })
      : EngineError.received({ ...engine, message, ...options });
  if (stack !== undefined) error.stack = stack;
  return error;
}
