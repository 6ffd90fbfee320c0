/** Counts by key, in a state that is too large for the metadata, as fast as it is told. */
import { defineJob, fileSink, generate, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

const Settings = z.object({ out: z.string(), count: z.number(), rate: z.number() });
const KEYS = 100;
const PADDING = 'x'.repeat(500);
const Count = z.object({ key: z.number(), count: z.number() });
const count = valueState('count', z.object({ count: z.number(), padding: z.string() }));

export default defineJob('padded-counts', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { out, rate } = settings;
  env
    .fromSource(
      'numbers',
      generate(settings.count, (n) => n, { rowsPerSecond: rate }),
    )
    .keyBy((n) => n % KEYS)
    .process('count', { count }, Count, (_, { key, state, out: to }) => {
      const next = (state.count.value()?.count ?? 0) + 1;
      state.count.update({ count: next, padding: PADDING });
      to.emit({ key, count: next });
    })
    .sinkTo('counts', fileSink({ path: out, format: 'json-lines' }));
});
