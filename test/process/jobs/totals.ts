/** Counts, for ever if no count is given, with enough state that a checkpoint has files. */
import { defineJob, fileSink, generate, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

const TotalsSettings = z.object({
  out: z.string(),
  rate: z.number().default(20_000),
  count: z.number().optional(),
  keys: z.number().default(5_000),
});
const Total = z.object({ key: z.number(), sum: z.number() });
const total = valueState('total', z.number());

export default defineJob('totals', { settings: TotalsSettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  env
    .fromSource(
      'numbers',
      generate(settings.count ?? Infinity, (n) => n, { rowsPerSecond: settings.rate }),
    )
    .keyBy((n) => n % settings.keys)
    .process('add', { total }, Total, (n, { state, out, key }) => {
      const sum = (state.total.value() ?? 0) + n;
      state.total.update(sum);
      out.emit({ key, sum });
    })
    .sinkTo('totals', fileSink({ path: settings.out, format: 'json-lines' }));
});
