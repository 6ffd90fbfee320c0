/** Writes numbered rows into an Iceberg table, each made of its number alone. */
import { defineJob, generate, setupCheckpointAndRecovery } from 'tidemark';
import { day, hadoop, icebergSchema, icebergSink, t } from 'tidemark/iceberg';
import { z } from 'zod';

const IcebergSettings = z.object({
  warehouse: z.string(),
  count: z.number().default(10_000),
  rate: z.number().default(1_000_000),
});
interface Reading {
  readonly id: number;
  readonly atMs: number;
  readonly text: string | null;
}
const HOUR_MS = 3_600_000;

function readingOf(n: number): Reading {
  return {
    id: n,
    atMs: Date.UTC(2026, 0, 1) + (n % 48) * HOUR_MS,
    text: n % 3 === 0 ? null : `row ${n}`,
  };
}

export default defineJob('iceberg', { settings: IcebergSettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  env
    .fromSource('readings', generate(settings.count, readingOf, { rowsPerSecond: settings.rate }))
    .sinkTo(
      'table',
      icebergSink({
        catalog: hadoop({ warehouse: settings.warehouse }),
        table: 'test.readings',
        schema: icebergSchema({
          id: t.long(),
          at: t.timestamptz(),
          text: t.string().optional(),
        }),
        toRow: ({ id, atMs, text }: Reading) => ({ id, at: atMs, text }),
        partitionBy: [day('at')],
        rowGroupRows: 50,
        properties: { 'commit.manifest.min-count-to-merge': '10' },
      }),
    );
});
