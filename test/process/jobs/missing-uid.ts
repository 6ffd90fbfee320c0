import { defineJob, print } from 'tidemark';

export default defineJob('missing-uid', (env) => {
  env
    .fromSequence('numbers', 1, 3)
    .map('', (n) => n * 2)
    .sinkTo('out', print());
});
