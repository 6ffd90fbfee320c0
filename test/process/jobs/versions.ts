/**
 * Counts for ever. The variable VERSION says which version of the job this is: `broken` fails at each record, `late`
 * does so until the file of `--gate` is there, `other` has another type of state.
 */
import { existsSync } from 'node:fs';
import { defineJob, fileSink, generate, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

const Settings = z.object({
  out: z.string(),
  version: z.string(),
  gate: z.string().default(''),
  rate: z.number().default(500),
});
const Line = z.object({ n: z.number(), seen: z.number(), version: z.string() });
const seen = valueState('seen', z.number());
const other = valueState('seen', z.string());

export default defineJob('versions', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { version, gate } = settings;
  const numbers = env
    .fromSource(
      'numbers',
      generate(Infinity, (n) => n, { rowsPerSecond: settings.rate }),
    )
    .keyBy((n) => n % 7);
  if (version === 'other') {
    numbers
      .process('count', { other }, Line, () => undefined)
      .sinkTo('lines', fileSink({ path: settings.out, format: 'json-lines' }));
    return;
  }
  numbers
    .process('count', { seen }, Line, (n, { state, out }) => {
      const isClosed = version === 'late' && !existsSync(gate);
      if (version === 'broken' || isClosed) throw new RangeError(`${version}: planned by the test`);
      const next = (state.seen.value() ?? 0) + 1;
      state.seen.update(next);
      if (n % 100 === 0) process.stdout.write(`${version} is at ${n}\n`);
      out.emit({ n, seen: next, version });
    })
    .sinkTo('lines', fileSink({ path: settings.out, format: 'json-lines' }));
});
