import {
  FLINK_SETTINGS,
  SETTING_NAMES,
  type FlinkSettings,
  type PresetName,
  type SettingName,
  type SettingOrigin,
  type SettingValues,
} from './flink-settings.ts';

/** What each preset says instead of the defaults. */
export const PRESETS: Readonly<Record<PresetName, Partial<SettingValues>>> = {
  development: {
    checkpointIntervalMs: 30_000,
    checkpointTimeoutMs: 300_000,
    minPauseBetweenCheckpointsMs: 10_000,
    stateBackend: 'hashmap',
    incrementalCheckpoints: false,
    externalizedCheckpointRetention: 'RETAIN_ON_CANCELLATION',
    restartStrategy: 'none',
  },
  production: {
    checkpointIntervalMs: 60_000,
    checkpointTimeoutMs: 600_000,
    minPauseBetweenCheckpointsMs: 30_000,
    stateBackend: 'rocksdb',
    incrementalCheckpoints: true,
    externalizedCheckpointRetention: 'RETAIN_ON_CANCELLATION',
    restartStrategy: 'fixed-delay',
    restartAttempts: 3,
    restartDelayMs: 10_000,
  },
  'cdc-production': {
    checkpointIntervalMs: 120_000,
    checkpointTimeoutMs: 900_000,
    minPauseBetweenCheckpointsMs: 60_000,
    stateBackend: 'rocksdb',
    incrementalCheckpoints: true,
    externalizedCheckpointRetention: 'RETAIN_ON_CANCELLATION',
    restartStrategy: 'fixed-delay',
    restartAttempts: 5,
    restartDelayMs: 30_000,
  },
  operator: {
    checkpointIntervalMs: 60_000,
    checkpointTimeoutMs: 120_000,
    minPauseBetweenCheckpointsMs: 30_000,
    externalizedCheckpointRetention: 'RETAIN_ON_CANCELLATION',
  },
};

/**
 * `flink` with a preset's values where nobody said anything: for a job that chooses in code.
 *
 * @example `setupCheckpointAndRecovery(env, withPreset(flink, 'development'));`
 */
export function withPreset(flink: FlinkSettings, preset: PresetName): FlinkSettings {
  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, SettingOrigin>> = {};
  for (const name of SETTING_NAMES) {
    const isOpen = ['default', 'preset'].includes(flink.origins[name].kind);
    const { [name]: own } = PRESETS[preset];
    if (isOpen && own !== undefined) {
      values[name] = own;
      origins[name] = { kind: 'preset', preset };
    } else if (flink.origins[name].kind === 'preset') {
      values[name] = FLINK_SETTINGS[name].default;
      origins[name] = { kind: 'default' };
    }
  }
  return Object.freeze({
    ...flink,
    ...(values as Partial<SettingValues>),
    preset,
    origins: Object.freeze({ ...flink.origins, ...origins }),
  });
}
