/**
 * Five ways to put settings of checkpoints and recovery in force, each with what comes of it. Nothing runs;
 * give it other settings and see what becomes of them:
 *
 *   node examples/checkpoint-recovery.ts
 *   FLINK_CHECKPOINT_INTERVAL_MS=30000 FLINK_RESTART_STRATEGY=none node examples/checkpoint-recovery.ts
 */
import { minutes, seconds, StreamExecutionEnvironment } from 'tidemark';
import {
  CheckpointConfig,
  RecoveryConfig,
  settings,
  settingsSummary,
  settingsTable,
  setupCheckpointAndRecovery,
  setupCheckpointAndState,
  setupRecoveryStrategy,
} from 'tidemark/config';

function checkpointOnly(): StreamExecutionEnvironment {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  setupCheckpointAndState(env, settings.flink);
  return env;
}

function recoveryOnly(): StreamExecutionEnvironment {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  setupRecoveryStrategy(env, settings.flink);
  return env;
}

/** What most jobs do. */
function both(): StreamExecutionEnvironment {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  env.setParallelism(settings.flink.parallelism);
  setupCheckpointAndRecovery(env, settings.flink);
  return env;
}

/** Some values of the job's own, and only the steps that it wants. */
function stepByStep(): StreamExecutionEnvironment {
  const env = StreamExecutionEnvironment.getExecutionEnvironment();
  const custom = {
    ...settings.flink,
    checkpointIntervalMs: minutes(2),
    tolerableFailedCheckpoints: 5,
    restartAttempts: 10,
    restartDelayMs: seconds(30),
  };
  const checkpointConfig = new CheckpointConfig(custom);
  const recoveryConfig = new RecoveryConfig(custom);

  checkpointConfig.configureStateBackend(env);
  checkpointConfig.configureCheckpoint(env);
  recoveryConfig.configureRestartStrategy(env);
  recoveryConfig.configureCheckpointFailureHandling(env);
  return env;
}

/** What is in force of the settings whose keys begin so. */
function show(title: string, env: StreamExecutionEnvironment, ...beginnings: string[]): void {
  console.log(`\n${title}`);
  for (const { key, value, from } of settingsSummary(env.getConfiguration())) {
    if (beginnings.some((beginning) => key.startsWith(beginning)))
      console.log(`  ${key}: ${String(value)} (${from})`);
  }
}

const CHECKPOINTS = ['execution.checkpointing.', 'state.backend.'];
const RECOVERY = [
  'restart-strategy.type',
  'restart-strategy.fixed-delay.',
  'jobmanager.execution.',
];

show('Example 1: checkpoints only', checkpointOnly(), ...CHECKPOINTS);
show('Example 2: recovery only', recoveryOnly(), ...RECOVERY);
show('Example 3: both', both(), 'parallelism.', ...CHECKPOINTS, ...RECOVERY);
show('Example 4: step by step', stepByStep(), ...CHECKPOINTS, ...RECOVERY);
console.log('\nExample 5: everything');
console.log(settingsTable(both().getConfiguration()));
