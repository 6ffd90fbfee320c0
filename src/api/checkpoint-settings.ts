import {
  CHECKPOINT_SETTINGS,
  STORAGE_SETTINGS,
  type FlinkSettings,
  type SettingName,
} from '../settings/flink-settings.ts';
import { applySettings } from './step-settings.ts';
import type { StreamExecutionEnvironment } from './stream-execution-environment.ts';

const STATE_BACKEND: readonly SettingName[] = ['stateBackend', 'incrementalCheckpoints'];
const STORAGE: readonly SettingName[] = ['checkpointStorage', 'savepointDirectory'];
/** About failed checkpoints: RecoveryConfig's. */
const FAILURES: readonly SettingName[] = ['tolerableFailedCheckpoints'];
const REST = CHECKPOINT_SETTINGS.filter(
  (name) => ![...STATE_BACKEND, ...STORAGE, ...FAILURES].includes(name),
);

/**
 * The settings of checkpoints, put in force step by step; `setupCheckpointAndState` takes all steps.
 * `tidemark/config` exports it as `CheckpointConfig` too.
 *
 * Each step throws `SET-001` (`invalid`) for a value out of range, and `API-015` after the job is
 * described.
 *
 * @example
 * ```ts
 * const checkpoints = new CheckpointSettings({ ...flink, checkpointIntervalMs: minutes(5) });
 * checkpoints.configureStateBackend(env).configureCheckpoint(env);
 * ```
 */
export class CheckpointSettings {
  readonly #flink: FlinkSettings;

  constructor(flink: FlinkSettings) {
    this.#flink = flink;
  }

  /** Where state is, and where its checkpoints and savepoints go. */
  configureStateBackend(env: StreamExecutionEnvironment): this {
    applySettings(env, this.#flink, [...STATE_BACKEND, ...STORAGE]);
    return this;
  }

  /**
   * When checkpoints are taken, how, and what becomes of them: kept when the job is cancelled
   * (RETAIN_ON_CANCELLATION) unless a setting says otherwise.
   */
  configureCheckpoint(env: StreamExecutionEnvironment): this {
    applySettings(env, this.#flink, REST);
    const retention = 'externalizedCheckpointRetention';
    const isDefault =
      this.#flink.origins[retention].kind === 'default' &&
      this.#flink[retention] === 'NO_EXTERNALIZED_CHECKPOINTS';
    if (isDefault) env.set(retention, 'RETAIN_ON_CANCELLATION');
    return this;
  }

  /** How the store at an `s3://` address is reached. */
  configureS3ForCheckpoints(env: StreamExecutionEnvironment): this {
    applySettings(env, this.#flink, [...STORAGE, ...STORAGE_SETTINGS]);
    return this;
  }
}
