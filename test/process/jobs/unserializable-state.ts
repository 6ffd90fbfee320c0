import { defineJob, generate, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

/** Any data; but what is stored is a function. */
const anything = z.unknown();

export default defineJob('unserializable-state', (env, { flink }) => {
  setupCheckpointAndRecovery(env, flink);
  env
    .fromSource(
      'numbers',
      generate(Infinity, (n) => n, { rowsPerSecond: 100 }),
    )
    .keyBy((n) => n % 2)
    .process('keep', { last: valueState('last', anything) }, (n, { state }) => {
      state.last.update({ later: () => n });
    });
});
