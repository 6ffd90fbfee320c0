/** Numbered rows into two tables of a REST catalog, of which two sinks share one. */
import { defineJob, generate, setupCheckpointAndRecovery } from 'tidemark';
import { icebergSchema, icebergSink, rest, t } from 'tidemark/iceberg';
import { z } from 'zod';

const Settings = z.object({
  uri: z.string(),
  count: z.number().default(10_000),
  rate: z.number().default(1_000_000),
});
const schema = icebergSchema({ id: t.long(), text: t.string().optional() });

export default defineJob('two-tables', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { uri, count, rate } = settings;
  const catalog = rest({ uri });
  const sinkTo = (table: string) =>
    icebergSink({
      ...{ catalog, table, schema },
      toRow: (id: number) => ({ id, text: `row ${id}` }),
      properties: { 'commit.manifest.min-count-to-merge': '10' },
    });
  const ids = env.fromSource(
    'ids',
    generate(count, (n) => n, { rowsPerSecond: rate }),
  );
  ids.filter('even', (id) => id % 2 === 0).sinkTo('even-sink', sinkTo('jobs.shared'));
  ids.filter('odd', (id) => id % 2 === 1).sinkTo('odd-sink', sinkTo('jobs.shared'));
  ids.filter('third', (id) => id % 3 === 0).sinkTo('third-sink', sinkTo('jobs.thirds'));
});
