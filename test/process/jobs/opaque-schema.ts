import { defineJob, valueState } from 'tidemark';
import { z } from 'zod';

/** A schema whose structure nobody can tell: what it takes is in a function. */
const opaque = z.custom<{ n: number }>((value) => typeof value === 'object');

export default defineJob('opaque-schema', (env) => {
  env
    .fromSequence('numbers', 1, 3)
    .keyBy((n) => n)
    .process('keep', { last: valueState('last', opaque) }, (n, { state }) => {
      state.last.update({ n });
    });
});
