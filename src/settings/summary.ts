import {
  FLINK_SETTINGS,
  SETTING_NAMES,
  type FlinkSettings,
  type Setting,
  type SettingName,
  type SettingOrigin,
} from './flink-settings.ts';

/** One setting as it is in force. */
export interface SettingSummary {
  readonly name: SettingName;
  readonly key: string;
  /** Null: nothing is set. A secret is `***`. */
  readonly value: string | number | boolean | null;
  /** Where it comes from, in words: `.env: FLINK_PARALLELISM`. */
  readonly from: string;
  readonly origin: SettingOrigin;
}

/** Every setting with its value and where that came from; secrets are not shown. */
export function settingsSummary(flink: FlinkSettings): readonly SettingSummary[] {
  return SETTING_NAMES.map((name) => {
    const { key, secret } = FLINK_SETTINGS[name] as Setting<unknown>;
    const origin = flink.origins[name];
    const value = flink[name] ?? null;
    const shown = secret === true && value !== null ? '***' : value;
    return { name, key, value: shown, from: originText(origin), origin };
  });
}

/**
 * The summary as a table to print: key, value, and where the value came from.
 *
 * @example `console.log(settingsTable(env.getConfiguration()));`
 */
export function settingsTable(flink: FlinkSettings): string {
  const rows = settingsSummary(flink).map(({ key, value, from }) => [
    key,
    value === null ? '-' : String(value),
    from,
  ]);
  const all = [['setting', 'value', 'from'], ...rows];
  const width = (column: number) => Math.max(...all.map((row) => row[column]?.length ?? 0));
  const [key, value] = [width(0), width(1)];
  return all
    .map(([a = '', b = '', c = '']) => `${a.padEnd(key)}  ${b.padEnd(value)}  ${c}`)
    .join('\n');
}

function originText(origin: SettingOrigin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'preset':
      return `preset ${origin.preset}`;
    case 'config-file':
      return `${origin.file}: ${origin.key}`;
    case 'environment':
      return `${origin.file ?? 'environment'}: ${origin.variable}`;
    case 'job':
      return "the job's code";
    case 'dynamic':
      return `-D ${origin.key}`;
  }
}
