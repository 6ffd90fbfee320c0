/**
 * What went wrong with a request, whichever of the library's many error classes tells it.
 */
import type { ProtocolError } from '@platformatic/kafka';
import { EngineError } from '../../../common/errors.ts';
import { library, libraryIfLoaded } from './library.ts';

export interface Fault {
  /** `network`: no answer came; whether the broker did it is not known. `refused`: it answered with an error. */
  readonly kind: 'network' | 'refused' | 'authentication' | 'tls' | 'unknown';
  /** Kafka's name, such as `NOT_COORDINATOR`; of several the one that says most. */
  readonly apiError: string | undefined;
  /** Whether the same request may work later, or elsewhere. */
  readonly retriable: boolean;
  readonly reason: string;
}

/** Codes of Node and OpenSSL that say that TLS, and not the network, has failed. */
export const TLS_CODES =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

/**
 * Retriable here, although the library says no. `ILLEGAL_SASL_STATE`: the request came while credentials
 * were shown again; nothing was done. `OPERATION_NOT_ATTEMPTED`: another partition of the request was refused, and that
 * one's error decides.
 */
const ALSO_RETRIABLE = new Set([
  'UNKNOWN_LEADER_EPOCH',
  'FENCED_LEADER_EPOCH',
  'BROKER_NOT_AVAILABLE',
  'ILLEGAL_SASL_STATE',
  'OPERATION_NOT_ATTEMPTED',
]);

export function faultOf(error: unknown): Fault {
  const all = [...flat(error)];
  const refused = all.flatMap((one) => apiErrorIn(one));
  if (refused.some((name) => /^SASL_|^UNSUPPORTED_SASL_/.test(name))) {
    return {
      kind: 'authentication',
      apiError: refused[0],
      retriable: false,
      reason: refused.join(),
    };
  }
  if (refused.length > 0) {
    // Of several partitions one may be beyond help: that one decides.
    const apiError = refused.find((name) => !isRetriable(name)) ?? refused[0];
    return {
      kind: 'refused',
      apiError,
      retriable: refused.every(isRetriable),
      reason: refused.join(),
    };
  }
  const codes = all.map(codeOf);
  const tls = codes.find((code) => TLS_CODES.test(code));
  const said = all.map((one) => (one instanceof Error ? one.message : String(one)));
  if (
    tls !== undefined ||
    said.some((message) => /requires TLS|TLS handshake failed/.test(message))
  ) {
    const reason = tls ?? said.find((message) => message.includes('TLS')) ?? '';
    return { kind: 'tls', apiError: undefined, retriable: false, reason };
  }
  const reason = said.at(-1) ?? '';
  if (codes.includes('PLT_KFK_AUTHENTICATION')) {
    return { kind: 'authentication', apiError: undefined, retriable: false, reason };
  }
  // What is wrong here, such as a file that is missing, no broker will mend.
  const isOwn = error instanceof EngineError && error.kind === 'invalid';
  const isNetwork =
    !isOwn && codes.some((code) => code === 'PLT_KFK_NETWORK' || /^E[A-Z]+$/.test(code));
  return {
    kind: isNetwork ? 'network' : 'unknown',
    apiError: undefined,
    retriable: isNetwork,
    reason,
  };
}

/** Kafka's name of what a broker refused, such as `INVALID_TXN_STATE`; also of an `EngineError`'s cause. */
export function apiErrorOf(error: unknown): string | undefined {
  return faultOf(error).apiError;
}

export function isRetriable(apiError: string): boolean {
  return (
    libraryIfLoaded()?.protocolErrors[apiError]?.canRetry === true || ALSO_RETRIABLE.has(apiError)
  );
}

/** What is known without asking, as if a broker had said it. */
export function refusal(apiError: string): ProtocolError {
  const { ProtocolError, protocolErrors } = library();
  return new ProtocolError(apiError in protocolErrors ? apiError : 'UNKNOWN_SERVER_ERROR');
}

/** The error, what it collects and what caused it. */
function* flat(error: unknown): Generator {
  yield error;
  const { MultipleErrors } = libraryIfLoaded() ?? {};
  if (MultipleErrors !== undefined && error instanceof MultipleErrors)
    for (const one of error.errors) yield* flat(one);
  if (error instanceof Error && error.cause !== undefined) yield* flat(error.cause);
}

function apiErrorIn(error: unknown): string[] {
  const { GenericError } = libraryIfLoaded() ?? {};
  if (GenericError === undefined || !(error instanceof GenericError)) return [];
  const id: unknown = error['apiId'];
  return typeof id === 'string' ? [id] : [];
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
