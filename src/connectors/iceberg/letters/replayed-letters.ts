import type { Source } from '../../../contracts/source.ts';
import { badRecord } from './errors.ts';
import type { InferOutput, StandardSchema } from '../../../serde/standard-schema.ts';
import { fromTypedJson } from '../../../serde/typed-json.ts';
import type { IcebergCatalog } from '../catalog.ts';
import { badIcebergOption } from '../errors.ts';
import { tableName } from '../table-name.ts';
import { LetterEnumerator } from './letter-enumerator.ts';
import { LetterReader } from './letter-reader.ts';
import {
  type LetterFilesState,
  letterFilesState,
  type LetterSplit,
  letterSplits,
} from './letter-split.ts';
import { replaysFrom } from './letter-table.ts';
import { replayTableOf } from './replay-table.ts';

export interface IcebergReplayedLettersOptions {
  readonly catalog: IcebergCatalog;
  /** The table of the dead letters; replays are in `<table>_replay`, which `tidemark dlq replay` makes. */
  readonly table: string;
  /** The uid of the operator whose letters these are, and to which this source leads. */
  readonly operator: string;
  /**
   * How it waits for replays. Default: looks each ten seconds, for ever; each look loads the table's metadata.
   * `none`: what is there at the start.
   */
  readonly watch?: { readonly everyMs: number } | 'none';
}

const WATCH_MS = 10_000;

/**
 * The way back for dead letters in a table: emits the records that `tidemark dlq replay` has chosen, with the
 * timestamps they had. Unite it with the input of the operator at which they failed.
 *
 * ```ts
 * import { defineJob, files, monotonous } from 'tidemark';
 * import { deadLetterColumns, hadoop, icebergReplayedLetters, icebergSink } from 'tidemark/iceberg';
 * import { z } from 'zod';
 *
 * const Line = z.object({ text: z.string() });
 * const letters = { catalog: hadoop({ warehouse: 'lake' }), table: 'ops.dead_letters' };
 *
 * export default defineJob('lines', (env) => {
 *   const replayed = env.fromSource(
 *     'replayed',
 *     icebergReplayedLetters(Line, { ...letters, operator: 'parse' }),
 *     monotonous(undefined, { idlenessMs: 1 }),
 *   );
 *   env
 *     .fromSource('lines', files('in', Line))
 *     .union(replayed)
 *     .map('parse', ({ text }) => JSON.parse(text) as unknown)
 *     .onError('dead-letter');
 *   env.deadLetters().sinkTo('dlq', icebergSink({ ...letters, schema: deadLetterColumns }));
 * });
 * ```
 *
 * @param schema Of the records. One that does not fit any more fails the job.
 * @throws {EngineError} `ICE-001` at once; when it runs: `DLQ-004`, `DLQ-005`, `DLQ-012` to `DLQ-014`, `ICE-…`.
 */
export function icebergReplayedLetters<S extends StandardSchema>(
  schema: S,
  { catalog, table, operator, watch = { everyMs: WATCH_MS } }: IcebergReplayedLettersOptions,
): Source<InferOutput<S>, LetterSplit, LetterFilesState> {
  const name = tableName(replayTableOf(table));
  const everyMs = watch === 'none' ? undefined : watch.everyMs;
  if (everyMs !== undefined && !(everyMs >= 1)) {
    throw badIcebergOption('watch.everyMs', everyMs, String(WATCH_MS));
  }
  const validate = schema['~standard'].validate;
  return {
    kind: 'dead-letters',
    replaysFrom: replaysFrom(table),
    boundedness: everyMs === undefined ? 'bounded' : 'unbounded',
    splits: letterSplits,
    enumeratorState: letterFilesState,
    splitId: ({ location }) => location,
    enumerator: (context, from) =>
      new LetterEnumerator(
        context,
        { catalog: catalog.connect(context.world), table: name, everyMs },
        from,
      ),
    reader: (context) =>
      new LetterReader<InferOutput<S>>({
        context,
        catalog: catalog.connect(context.world),
        table: name,
        valueOf: (letter, file, row) => {
          if (letter.operator !== operator) return undefined;
          const result = validate(fromTypedJson(letter.record));
          if (result instanceof Promise) throw badRecord(file, row, 'the schema is asynchronous');
          if (result.issues === undefined) return result.value;
          throw badRecord(file, row, result.issues.map(({ message }) => message).join('; '));
        },
      }),
  };
}
