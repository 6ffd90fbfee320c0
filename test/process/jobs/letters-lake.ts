/* Dead letters into an Iceberg table, with a way back. It goes on until it is ended. */
import {
  defineJob,
  files,
  fileSink,
  monotonous,
  setupCheckpointAndRecovery,
  valueState,
} from 'tidemark';
import {
  day,
  deadLetterColumns,
  hadoop,
  icebergReplayedLetters,
  icebergSink,
  rest,
} from 'tidemark/iceberg';
import { z } from 'zod';

const Settings = z.object({
  input: z.string(),
  out: z.string(),
  warehouse: z.string(),
  uri: z.string().optional().describe('address of a REST catalog'),
  fixed: z.boolean().default(false).describe('takes what it failed on before'),
});
const Row = z.object({ n: z.number(), key: z.string(), value: z.number() });
const total = valueState('total', z.number());

export default defineJob('letters-lake', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { input, out, warehouse, uri, fixed } = settings;
  const catalog = uri === undefined ? hadoop({ warehouse }) : rest({ uri });
  const letters = { catalog, table: 'ops.dead_letters' };
  const watch = { everyMs: 50 };
  const replayed = env.fromSource(
    'again',
    icebergReplayedLetters(Row, { ...letters, operator: 'sum', watch }),
    monotonous(undefined, { idlenessMs: 1 }),
  );
  env
    .fromSource('rows', files(input, Row, { watch, format: 'json-lines' }))
    .union(replayed)
    .keyBy(({ key }) => key)
    .process('sum', { total }, Row, (row, { state, out: output }) => {
      const sum = (state.total.value() ?? 0) + row.value;
      state.total.update(sum);
      output.emit({ ...row, value: sum });
      if (row.value < 0 && !fixed) throw new RangeError('less than nothing');
    })
    .onError('dead-letter')
    .sinkTo('sums', fileSink({ path: `${out}/sums`, format: 'json-lines' }));
  env
    .deadLetters()
    .sinkTo(
      'dlq',
      icebergSink({ ...letters, schema: deadLetterColumns, partitionBy: [day('failedAt')] }),
    );
});
