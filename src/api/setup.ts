import type { FlinkSettings } from '../settings/flink-settings.ts';
import { CheckpointSettings } from './checkpoint-settings.ts';
import { RecoveryConfig } from './recovery-config.ts';
import type { StreamExecutionEnvironment } from './stream-execution-environment.ts';

/**
 * Puts the settings of checkpoints and of recovery in force, and keeps checkpoints when the job is
 * cancelled (RETAIN_ON_CANCELLATION) unless a setting says otherwise.
 *
 * @param flink The second argument's `flink`, `settings.flink`, or a changed copy:
 * `{ ...flink, restartAttempts: 5 }`.
 * @throws {EngineError} `SET-001`, `API-015` (`invalid`)
 * @example `setupCheckpointAndRecovery(env, flink);`
 */
export function setupCheckpointAndRecovery(
  env: StreamExecutionEnvironment,
  flink: FlinkSettings,
): void {
  setupCheckpointAndState(env, flink);
  setupRecoveryStrategy(env, flink);
}

/** The half of `setupCheckpointAndRecovery` that is about checkpoints and state. */
export function setupCheckpointAndState(
  env: StreamExecutionEnvironment,
  flink: FlinkSettings,
): void {
  new CheckpointSettings(flink)
    .configureStateBackend(env)
    .configureCheckpoint(env)
    .configureS3ForCheckpoints(env);
}

/** The half of `setupCheckpointAndRecovery` that is about restarts and failed checkpoints. */
export function setupRecoveryStrategy(env: StreamExecutionEnvironment, flink: FlinkSettings): void {
  new RecoveryConfig(flink)
    .configureRestartStrategy(env)
    .configureFailoverStrategy(env)
    .configureCheckpointFailureHandling(env);
}
