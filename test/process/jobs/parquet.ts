/** Writes numbered rows as Parquet, each made of its number alone. */
import { defineJob, generate, setupCheckpointAndRecovery } from 'tidemark';
import { parquetSink } from 'tidemark/parquet';
import { z } from 'zod';

const ParquetSettings = z.object({
  out: z.string(),
  count: z.number().default(20_000),
  rate: z.number().default(1_000_000),
});
const Row = z.object({
  id: z.int32(),
  amount: z.bigint(),
  price: z.number(),
  text: z.string().nullable(),
  time: z.date(),
  tags: z.array(z.string()),
});

function rowOf(n: number): z.infer<typeof Row> {
  return {
    id: n,
    amount: BigInt(n) * 7919n,
    price: n / 4,
    text: n % 3 === 0 ? null : `row ${n}`,
    time: new Date(1_700_000_000_000 + n),
    tags: Array.from({ length: n % 4 }, (_, i) => `t${i}`),
  };
}

export default defineJob('parquet', { settings: ParquetSettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  env
    .fromSource('numbers', generate(settings.count, rowOf, { rowsPerSecond: settings.rate }))
    .sinkTo(
      'rows',
      parquetSink({
        path: settings.out,
        schema: Row,
        bucket: ({ id }) => (id % 2 === 0 ? 'even' : 'odd'),
        rowGroupRows: 100,
        rollBytes: 50_000,
      }),
    );
});
