import {
  RECOVERY_SETTINGS,
  type FlinkSettings,
  type SettingName,
} from '../settings/flink-settings.ts';
import { applySettings } from './step-settings.ts';
import type { StreamExecutionEnvironment } from './stream-execution-environment.ts';

const FAILOVER: readonly SettingName[] = ['failoverStrategy'];
const RESTART = RECOVERY_SETTINGS.filter((name) => !FAILOVER.includes(name));

/**
 * The settings of recovery, put in force step by step; `setupRecoveryStrategy` takes all steps.
 *
 * Each step throws `SET-001` (`invalid`) for a value out of range, and `API-015` after the job is
 * described.
 *
 * @example `new RecoveryConfig({ ...flink, restartAttempts: 5 }).configureRestartStrategy(env);`
 */
export class RecoveryConfig {
  readonly #flink: FlinkSettings;

  constructor(flink: FlinkSettings) {
    this.#flink = flink;
  }

  /** Whether and when a failed job runs again. */
  configureRestartStrategy(env: StreamExecutionEnvironment): this {
    applySettings(env, this.#flink, RESTART);
    return this;
  }

  /** What a failed task takes down with it. */
  configureFailoverStrategy(env: StreamExecutionEnvironment): this {
    applySettings(env, this.#flink, FAILOVER);
    return this;
  }

  /** How many failed checkpoints in a row the job bears. */
  configureCheckpointFailureHandling(env: StreamExecutionEnvironment): this {
    applySettings(env, this.#flink, ['tolerableFailedCheckpoints']);
    return this;
  }
}
