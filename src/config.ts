/** `tidemark/config`: the settings and what puts them in force, by the names of a configuration module. */
export {
  CheckpointSettings,
  CheckpointSettings as CheckpointConfig,
} from './api/checkpoint-settings.ts';
export { RecoveryConfig } from './api/recovery-config.ts';
export {
  setupCheckpointAndRecovery,
  setupCheckpointAndState,
  setupRecoveryStrategy,
} from './api/setup.ts';
export { settings } from './settings/process-settings.ts';
export { withPreset } from './settings/presets.ts';
export { settingsSummary, settingsTable, type SettingSummary } from './settings/summary.ts';
export type {
  FlinkSettings,
  PresetName,
  SettingName,
  SettingOrigin,
  SettingValues,
} from './settings/flink-settings.ts';
export type { StreamExecutionEnvironment } from './api/stream-execution-environment.ts';
