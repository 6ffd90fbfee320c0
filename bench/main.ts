/** Runs a benchmark by name: `npm run bench -- keyed-count [options]`. */
import { deltaMain } from './delta.ts';
import { kafkaSourceMain } from './kafka-source.ts';
import { keyedCountMain } from './keyed-count.ts';
import { recoveryMain } from './recovery/recovery.ts';

const BENCHMARKS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  delta: deltaMain,
  'kafka-source': kafkaSourceMain,
  'keyed-count': keyedCountMain,
  recovery: recoveryMain,
};

const [name = '', ...args] = process.argv.slice(2);
const run = BENCHMARKS[name];
if (run === undefined) {
  console.error(`Usage: npm run bench -- ${Object.keys(BENCHMARKS).join(' | ')} [options]`);
  process.exitCode = 2;
} else {
  await run(args);
}
