/* Sums into an Iceberg table, of files that come while it runs. It goes on until it is ended. */
import { defineJob, files, fileSink, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { hadoop, icebergSink, rest } from 'tidemark/iceberg';
import { z } from 'zod';

const Settings = z.object({
  input: z.string(),
  warehouse: z.string(),
  catalog: z.string().optional().describe('address of a REST catalog'),
  clean: z.boolean().default(false).describe('leaves bad rows out'),
  files: z.string().optional().describe('a folder that gets the rows, too'),
});
const Row = z.object({ n: z.number(), key: z.string(), value: z.number() });
const Sum = z.object({ n: z.number(), key: z.string(), sum: z.number() });
const total = valueState('total', z.number());

export default defineJob('lake', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { input, warehouse, catalog: uri, clean } = settings;
  const catalog = uri === undefined ? hadoop({ warehouse }) : rest({ uri });
  const sums = env
    .fromSource('rows', files(input, Row, { watch: { everyMs: 20 }, format: 'json-lines' }))
    .setParallelism(1)
    .filter('good', ({ value }) => !clean || value >= 0)
    .setParallelism(1)
    .keyBy(({ key }) => key)
    .process('sum', { total }, Sum, ({ n, key, value }, { state, out }) => {
      const sum = (state.total.value() ?? 0) + value;
      state.total.update(sum);
      out.emit({ n, key, sum });
    });
  sums.sinkTo('sums', icebergSink({ catalog, table: 'db.sums', schema: Sum }));
  if (settings.files !== undefined) {
    sums.sinkTo('files', fileSink({ path: settings.files, format: 'json-lines' }));
  }
});
