/** A program in Flink's way; its graph depends on the settings, so that every thread must see the same. */
import {
  CheckpointingMode,
  FileSystemCheckpointStorage,
  print,
  settings,
  setupCheckpointAndRecovery,
  StreamExecutionEnvironment,
} from 'tidemark';

const env = StreamExecutionEnvironment.getExecutionEnvironment();
env.setParallelism(settings.flink.parallelism);
setupCheckpointAndRecovery(env, settings.flink);

env.enableCheckpointing(300_000); // 5 minutes
env.getCheckpointConfig().setCheckpointingMode(CheckpointingMode.EXACTLY_ONCE);
env.getCheckpointConfig().setCheckpointTimeout(600_000);
const checkpointStorage = new FileSystemCheckpointStorage('.tidemark/program');
env.getCheckpointConfig().setCheckpointStorage(checkpointStorage);
env.getCheckpointConfig().setMaxConcurrentCheckpoints(1);
env.getCheckpointConfig().setMinPauseBetweenCheckpoints(500);

const words = env.fromElements('words', [
  'to',
  'be',
  'or',
  'not',
  process.env['PROGRAM_WORD'] ?? 'to',
]);
words
  .rebalance()
  .map(`loud-${settings.flink.restartAttempts}`, (word) => {
    if (word === 'fail') throw new RangeError('this word fails');
    return word.toUpperCase();
  })
  .sinkTo('out', print());

try {
  const { status, jobName } = await env.execute('Checkpoint Demo');
  process.stdout.write(`after execute: ${jobName} ${status}\n`);
} catch (error) {
  process.stdout.write(`after execute: ${String(error).split(':')[0]}\n`);
}
