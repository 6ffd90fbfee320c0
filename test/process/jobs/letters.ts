/* A job with dead letters and a way back for them. It goes on until it is ended. */
import {
  defineJob,
  files,
  fileSink,
  monotonous,
  replayedLetters,
  setupCheckpointAndRecovery,
  valueState,
} from 'tidemark';
import { deadLetterColumns, hadoop, icebergSink } from 'tidemark/iceberg';
import { z } from 'zod';

const Settings = z.object({
  input: z.string(),
  out: z.string(),
  fixed: z.boolean().default(false).describe('takes what it failed on before'),
});
const Row = z.object({ n: z.number(), key: z.string(), value: z.string() });
const Reading = z.object({ n: z.number(), key: z.string(), value: z.number() });
const total = valueState('total', z.number());

export default defineJob('letters', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { input, out, fixed } = settings;
  const watch = { everyMs: 20 };
  const back = <S extends z.ZodType>(uid: string, schema: S, operator: string) =>
    env.fromSource(
      uid,
      replayedLetters(schema, { place: `${out}/dlq`, operator, watch }),
      monotonous(undefined, { idlenessMs: 1 }),
    );
  env
    .fromSource('rows', files(input, Row, { watch, format: 'json-lines' }))
    .map('parse', Reading, ({ value, ...row }) => {
      const number = Number(fixed ? value.replace(',', '.') : value);
      if (Number.isNaN(number)) throw new TypeError(`no number: ${value}`);
      return { ...row, value: number };
    })
    .onError('dead-letter')
    .union(back('again', Reading, 'sum'))
    .keyBy(({ key }) => key)
    .process('sum', { total }, Reading, (reading, { state, out: output }) => {
      const sum = (state.total.value() ?? 0) + reading.value;
      state.total.update(sum);
      output.emit({ ...reading, value: sum });
      if (reading.value < 0 && !fixed) throw new RangeError('less than nothing');
    })
    .onError('dead-letter')
    .sinkTo('sums', fileSink({ path: `${out}/sums`, format: 'json-lines' }));
  const letters = env.deadLetters();
  letters.sinkTo('dlq', fileSink({ path: `${out}/dlq`, format: 'json-lines' }));
  const lake = hadoop({ warehouse: `${out}/lake` });
  const table = { catalog: lake, table: 'ops.dead_letters', schema: deadLetterColumns };
  letters.sinkTo('dlq-table', icebergSink(table));
});
