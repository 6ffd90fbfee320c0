/** Counts by key, for ever: what comes out tells from which record on it was counted, and with which state. */
import {
  defineJob,
  fileSink,
  generate,
  print,
  setupCheckpointAndRecovery,
  valueState,
} from 'tidemark';
import { z } from 'zod';

const Settings = z.object({
  out: z.string(),
  rate: z.number().default(2_000),
  keys: z.number().default(20),
  /** With another operator, which has state as well. */
  more: z.boolean().default(false),
});
const Count = z.object({ key: z.number(), n: z.number(), count: z.number() });
const count = valueState('count', z.number());

export default defineJob('sales_pipeline', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { out, rate, keys, more } = settings;
  const numbers = env.fromSource(
    'numbers',
    generate(Infinity, (n) => n, { rowsPerSecond: rate }),
  );
  const byKey = numbers.keyBy((n) => n % keys);
  byKey
    .process('count', { count }, Count, (n, { key, state, out: to }) => {
      const next = (state.count.value() ?? 0) + 1;
      state.count.update(next);
      to.emit({ key, n, count: next });
    })
    .sinkTo('counts', fileSink({ path: out, format: 'json-lines' }));
  if (!more) return;
  byKey
    .process('latest', { count }, z.number(), (n, { state }) => {
      state.count.update(n);
    })
    .sinkTo('nothing-comes-here', print());
});
