import { EngineError, type ErrorKind } from '../common/errors.ts';

/** What a command's exit code says; docs/guides/operate.md has the table. */
export const EXIT = {
  done: 0,
  /** The job, or what was asked of it, failed. */
  failed: 1,
  /** The command or what it names is wrong: nothing was done. */
  refused: 2,
  /** The service or the storage does not answer: try again. */
  unavailable: 3,
  /** No job of that name, or several. */
  noSuchJob: 4,
  /** Bytes of a snapshot fail their checks. */
  corrupt: 5,
  /** The snapshot does not fit the job. */
  doesNotFit: 6,
  /** The new version was not well: the old one runs again. */
  goneBack: 7,
  /** Ended by Ctrl-C; as for shells. */
  interrupted: 130,
} as const;

const BY_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: EXIT.refused,
  unavailable: EXIT.unavailable,
  fenced: EXIT.refused,
  corrupt: EXIT.corrupt,
  'user-code': EXIT.failed,
};

const BY_CODE: Readonly<Record<string, number>> = {
  'CLI-022': EXIT.noSuchJob,
  'CLI-023': EXIT.noSuchJob,
  'CLI-024': EXIT.failed,
  'CLI-052': EXIT.noSuchJob,
};

/** Of a command that threw. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof EngineError)) return EXIT.failed;
  return BY_CODE[error.code] ?? BY_KIND[error.kind];
}
