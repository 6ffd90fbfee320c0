import type { Source } from '../../contracts/source.ts';
import type { InferOutput, StandardSchema } from '../../serde/standard-schema.ts';
import { fromTypedJson } from '../../serde/typed-json.ts';
import { checkLetter } from '../../contracts/letter-place.ts';
import { REPLAYS_FROM_FILES, replayFolder } from './dead-letter-files.ts';
import { asyncSchema, invalidRow } from './errors.ts';
import { FileRecords } from './file-records.ts';
import { readFiles, type WatchOptions } from './file-source.ts';
import type { FileEnumeratorState, FileSplit } from './file-split.ts';
import type { RowHandler } from './row-handler.ts';

export interface ReplayedLettersOptions {
  /** The folder of the dead letters; `tidemark dlq replay` puts into it what is to come again. */
  readonly place: string;
  /** The uid of the operator whose letters these are, and to which this source leads. */
  readonly operator: string;
  /** How it waits for replays. Default: looks each second, for ever; `none`: what is there at the start. */
  readonly watch?: WatchOptions | 'none';
}

const WATCH: WatchOptions = { everyMs: 1_000 };

/**
 * The way back for dead letters: emits the records that `tidemark dlq replay` has chosen, with the
 * timestamps they had. Unite it with the input of the operator at which they failed.
 *
 * Each letter comes once, whatever is restarted on the way. The watermarks of a job go on while nothing
 * is replayed if the source is given `idlenessMs`, as below.
 *
 * ```ts
 * const Line = z.object({ text: z.string() });
 * const replayed = env.fromSource(
 *   'replayed',
 *   replayedLetters(Line, { place: 'out/dlq', operator: 'parse' }),
 *   monotonous(undefined, { idlenessMs: 1 }),
 * );
 * env
 *   .fromSource('lines', files('in', Line))
 *   .union(replayed)
 *   .map('parse', ({ text }) => JSON.parse(text) as unknown)
 *   .onError('dead-letter');
 * ```
 *
 * @param schema Of the records. One that does not fit any more fails the job.
 * @throws {EngineError} when it runs: `DLQ-004`, `DLQ-005`, `FIL-…`, `FMT-…`.
 */
export function replayedLetters<S extends StandardSchema>(
  schema: S,
  { place, operator, watch = WATCH }: ReplayedLettersOptions,
): Source<InferOutput<S>, FileSplit, FileEnumeratorState> {
  const source = readFiles<InferOutput<S>>(
    {
      path: replayFolder(place, operator),
      watch: watch === 'none' ? undefined : watch,
      emptyIsFine: true,
    },
    (where) => new FileRecords({ ...where, format: { format: 'json-lines' } }),
    letterHandler(schema),
  );
  return { ...source, kind: 'dead-letters', replaysFrom: REPLAYS_FROM_FILES };
}

function letterHandler<S extends StandardSchema>(schema: S): RowHandler<InferOutput<S>> {
  const validate = schema['~standard'].validate;
  return (file, step, parser, out) => {
    const { row, problem, record } = parser;
    if (step === 'problem') throw invalidRow(file, row, problem.reason, problem.text);
    const letter = checkLetter(record, file, row);
    const result = validate(fromTypedJson(letter.record));
    if (result instanceof Promise) throw asyncSchema(file);
    if (result.issues !== undefined) {
      const reason = result.issues.map(({ message }) => message).join('; ');
      throw invalidRow(file, row, reason, letter.record);
    }
    const timestampMs = letter.eventTime === null ? undefined : Date.parse(letter.eventTime);
    return out.emit(result.value, file, timestampMs);
  };
}
