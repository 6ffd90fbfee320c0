import type { FlinkSettings, SettingName } from '../settings/flink-settings.ts';
import type { StreamExecutionEnvironment } from './stream-execution-environment.ts';

/** Sets what differs, so that the origins of the others stay as they are. */
export function applySettings(
  env: StreamExecutionEnvironment,
  flink: FlinkSettings,
  names: readonly SettingName[],
): void {
  for (const name of names) {
    if (flink[name] !== env.setting(name)) env.set(name, flink[name]);
  }
}
