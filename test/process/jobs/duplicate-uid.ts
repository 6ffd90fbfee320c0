import { defineJob, print } from 'tidemark';

export default defineJob('duplicate-uid', (env) => {
  const numbers = env.fromSequence('numbers', 1, 3);
  numbers.map('twice', (n) => n * 2).sinkTo('out', print());
  numbers.map('twice', (n) => n + n).sinkTo('out-again', print());
});
