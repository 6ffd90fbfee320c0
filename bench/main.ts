/** Runs a benchmark by name: `npm run bench -- keyed-count [options]`. */
import { deltaMain } from './delta.ts';
import { failoverMain } from './failover.ts';
import { kafkaMain } from './kafka/kafka.ts';
import { kafkaSourceMain } from './kafka-source.ts';
import { keyedCountMain } from './keyed-count.ts';
import { recoveryMain } from './recovery/recovery.ts';
import { savepointMain } from './savepoint/savepoint.ts';

const BENCHMARKS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  delta: deltaMain,
  failover: failoverMain,
  kafka: kafkaMain,
  'kafka-source': kafkaSourceMain,
  'keyed-count': keyedCountMain,
  recovery: recoveryMain,
  savepoint: savepointMain,
};

const [name = '', ...args] = process.argv.slice(2);
const run = BENCHMARKS[name];
if (run === undefined) {
  console.error(`Usage: npm run bench -- ${Object.keys(BENCHMARKS).join(' | ')} [options]`);
  process.exitCode = 2;
} else {
  await run(args);
}
