/**
 * Where dead letters are kept, and where those go that are to enter their operators again: for commands, which
 * look at a place without a job. Files, a Kafka topic and an Iceberg table are such places.
 */
import { EngineError } from '../common/errors.ts';
import { DEAD_LETTER_VERSION, type DeadLetter } from './dead-letter.ts';
import type { LetterIds } from './letter-ids.ts';

export interface LetterPlace {
  /** For people. */
  readonly name: string;
  /** What `Source.replaysFrom` of the way back must be. */
  readonly replaysFrom: string;
  /**
   * All that readers can see now, in the order of the place; few are in memory at a time.
   *
   * @throws {EngineError} `DLQ-004` (`corrupt`) for what is none.
   */
  letters(): AsyncIterable<DeadLetter>;
  /** Which letters were put on their way back. */
  replayed(): Promise<LetterIds>;
  /**
   * Puts letters on their way back, all or none of them; those that are there already are left out. Whatever
   * happens on the way, asking again puts each there once.
   */
  replay(letters: readonly DeadLetter[]): Promise<Replayed>;
  close(): Promise<void>;
}

export interface Replayed {
  /** Those that were not there yet. */
  readonly letters: readonly DeadLetter[];
  /** Where they are read again, for people. */
  readonly to: string;
}

const TEXTS = ['id', 'job', 'operator', 'failedAt', 'errorName', 'errorMessage', 'record'] as const;

/**
 * @param path The file, partition or table that it is from, and `row` its line or offset there.
 * @throws {EngineError} `DLQ-004` (`corrupt`) if it is none, or of a later version.
 */
export function checkLetter(value: unknown, path: string, row: number): DeadLetter {
  const letter = Object(value) as Partial<Record<keyof DeadLetter, unknown>>;
  for (const field of TEXTS) {
    if (typeof letter[field] !== 'string') throw notADeadLetter(path, row, `it has no ${field}`);
  }
  if (!(Number(letter.version) <= DEAD_LETTER_VERSION)) {
    throw notADeadLetter(path, row, `its version is ${String(letter.version)}`);
  }
  return value as DeadLetter;
}

/** A letter as JSON. @throws {EngineError} `DLQ-004` (`corrupt`). */
export function parseLetter(text: string, path: string, row: number): DeadLetter {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notADeadLetter(path, row, 'it is no JSON', cause);
  }
  return checkLetter(value, path, row);
}

function notADeadLetter(path: string, row: number, why: string, cause?: unknown) {
  return new EngineError('DLQ-004', 'corrupt', 'this is not a dead letter', {
    details: { path, row, why },
    hint: 'Name the folder, topic or table to which env.deadLetters() is written, and nothing else.',
    ...(cause === undefined ? {} : { cause }),
  });
}
