/** Counts by key at a fixed rate, for ever, and says when each thread of it has processed its first element. */
import fs from 'node:fs';
import path from 'node:path';
import { defineJob, fileSink, generate, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

const SteadySettings = z.object({
  out: z.string(),
  /** A folder: a file for each thread that processes, named after the wall time of its first element. */
  probe: z.string(),
  rate: z.number(),
});
const Count = z.object({ key: z.number(), count: z.number() });
const count = valueState('count', z.number());

let isFirst = true;

export default defineJob('steady', { settings: SteadySettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  env
    .fromSource(
      'numbers',
      generate(Infinity, (n) => n, { rowsPerSecond: settings.rate }),
    )
    .keyBy((n) => n % 100)
    .process('count', { count }, Count, (_n, { key, state, out }) => {
      if (isFirst) fs.writeFileSync(path.join(settings.probe, `${Date.now()}-${process.pid}`), '');
      isFirst = false;
      const next = (state.count.value() ?? 0) + 1;
      state.count.update(next);
      out.emit({ key, count: next });
    })
    .sinkTo('counts', fileSink({ path: settings.out, format: 'json-lines' }));
});
