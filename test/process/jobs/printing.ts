/** Prints each of many numbers, to see whether all of it comes out. */
import { defineJob, print } from 'tidemark';

export default defineJob('printing', (env) => {
  env.fromSequence('numbers', 1, 20_000).sinkTo('out', print());
});
