/** Counts by key and prints each result at once, with the process and attempt that it comes from. */
import { existsSync, writeFileSync } from 'node:fs';
import { defineJob, generate, print, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

const RecoverySettings = z.object({
  /** A function throws when this file is there, and writes when that was to `<trouble>.seen`. */
  trouble: z.string(),
});
const Count = z.object({ key: z.number(), count: z.number() });
const count = valueState('count', z.number());

export default defineJob('recovery', { settings: RecoverySettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const seen = `${settings.trouble}.seen`;
  env
    .fromSource(
      'numbers',
      generate(10_000_000, (n) => n, { rowsPerSecond: 1_000 }),
    )
    .keyBy((n) => n % 100)
    .process('count', { count }, Count, (n, { key, state, out }) => {
      if (n % 8 === 0 && existsSync(settings.trouble) && !existsSync(seen)) {
        writeFileSync(seen, String(Date.now()));
        throw new TypeError('as asked');
      }
      const next = (state.count.value() ?? 0) + 1;
      state.count.update(next);
      out.emit({ key, count: next });
    })
    .map('named', ({ key, count: counted }) => ({ pid: process.pid, key, count: counted }))
    .sinkTo('out', print());
});
