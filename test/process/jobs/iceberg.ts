/** Writes numbered rows into an Iceberg table, each made of its number alone. */
import { defineJob, generate, setupCheckpointAndRecovery } from 'tidemark';
import { day, hadoop, icebergSchema, icebergSink, t } from 'tidemark/iceberg';
import { z } from 'zod';
import { gated } from './trouble.ts';

const IcebergSettings = z.object({
  warehouse: z.string(),
  count: z.number().default(10_000),
  rate: z.number().default(1_000_000),
  /** A file; as long as it is not there the second half of the rows waits. Absent: nothing waits. */
  gate: z.string().optional(),
});
const HOUR_MS = 3_600_000;

function rowOf(id: number) {
  return {
    id,
    at: Date.UTC(2026, 0, 1) + (id % 48) * HOUR_MS,
    text: id % 3 === 0 ? null : `row ${id}`,
  };
}

export default defineJob('iceberg', { settings: IcebergSettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { count, rate, gate } = settings;
  const ids = generate(count, (n) => n, { rowsPerSecond: rate });
  env.fromSource('readings', gate === undefined ? ids : gated(ids, gate, count / 2)).sinkTo(
    'table',
    icebergSink({
      catalog: hadoop({ warehouse: settings.warehouse }),
      table: 'test.readings',
      schema: icebergSchema({
        id: t.long(),
        at: t.timestamptz(),
        text: t.string().optional(),
      }),
      toRow: rowOf,
      partitionBy: [day('at')],
      rowGroupRows: 50,
      properties: { 'commit.manifest.min-count-to-merge': '10' },
    }),
  );
});
