import { EngineError } from '../common/errors.ts';
import {
  FLINK_SETTINGS,
  SETTING_NAMES,
  type FlinkSettings,
  type Setting,
  type SettingName,
  type SettingValues,
} from './flink-settings.ts';
import { withPreset } from './presets.ts';

/** What a job's own code has set. */
export type JobOverrides = Partial<SettingValues>;

/** `outside` with what the job's code has set; `-D` wins over both. */
export function withOverrides(outside: FlinkSettings, overrides: JobOverrides): FlinkSettings {
  const preset = outside.origins.preset.kind === 'dynamic' ? undefined : overrides.preset;
  const base = preset === undefined ? outside : withPreset(outside, preset);
  const taken = SETTING_NAMES.filter(
    (name) => Object.hasOwn(overrides, name) && base.origins[name].kind !== 'dynamic',
  );
  return Object.freeze({
    ...base,
    ...Object.fromEntries(taken.map((name) => [name, overrides[name]])),
    origins: Object.freeze({
      ...base.origins,
      ...Object.fromEntries(taken.map((name) => [name, { kind: 'job' }])),
    }),
  });
}

/**
 * A value that code gives must be one that text could have given.
 *
 * @throws {EngineError} `SET-001` (`invalid`)
 */
export function requireSetting(name: SettingName, value: unknown): void {
  const { key, type, secret } = FLINK_SETTINGS[name] as Setting<unknown>;
  if (value === undefined && FLINK_SETTINGS[name].default === undefined) return;
  const isText =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (isText && type.parse(String(value)) === value) return;
  throw new EngineError('SET-001', 'invalid', 'settings have bad values', {
    details: { setting: key, got: secret === true ? '***' : isText ? String(value) : typeof value },
    hint: `Give ${type.accepts}.`,
  });
}
