import type { FlinkSettings, SettingName } from '../settings/flink-settings.ts';
import { CHECKPOINT_SETTINGS, RECOVERY_SETTINGS } from '../settings/flink-settings.ts';
import type { StreamExecutionEnvironment } from './stream-execution-environment.ts';

/**
 * Puts the settings of checkpoints and of recovery in force, and keeps checkpoints when the job is
 * cancelled (RETAIN_ON_CANCELLATION) unless a setting says otherwise.
 *
 * @param flink The second argument's `flink`, or a changed copy: `{ ...flink, restartAttempts: 5 }`.
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
  apply(env, flink, CHECKPOINT_SETTINGS);
  const retention = 'externalizedCheckpointRetention';
  const isDefault =
    flink.origins[retention].kind === 'default' &&
    flink[retention] === 'NO_EXTERNALIZED_CHECKPOINTS';
  if (isDefault) env.set(retention, 'RETAIN_ON_CANCELLATION');
}

/** The half of `setupCheckpointAndRecovery` that is about restarts. */
export function setupRecoveryStrategy(env: StreamExecutionEnvironment, flink: FlinkSettings): void {
  apply(env, flink, RECOVERY_SETTINGS);
}

/** Sets what differs, so that the origins of the others stay as they are. */
function apply(
  env: StreamExecutionEnvironment,
  flink: FlinkSettings,
  names: readonly SettingName[],
): void {
  for (const name of names) {
    if (flink[name] !== env.setting(name)) env.set(name, flink[name]);
  }
}
