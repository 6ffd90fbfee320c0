import {
  CHECKPOINT_SETTINGS,
  FLINK_SETTINGS,
  PRESET_NAMES,
  RECOVERY_SETTINGS,
  REST_SETTINGS,
  SETTING_NAMES,
  STORAGE_SETTINGS,
  TASK_MANAGER_SETTINGS,
  type PresetName,
  type Setting,
  type SettingName,
} from '../../src/settings/flink-settings.ts';
import { UNBUILT } from '../../src/cluster/require-built.ts';
import { PRESETS } from '../../src/settings/presets.ts';

const NO_HDFS = 'Checkpoints go to a folder or to S3.';

/** What can be set and does nothing yet. */
export const WITHOUT_EFFECT: Partial<Record<SettingName, string>> = {
  alignedCheckpointTimeoutMs: 'Checkpoints are always aligned.',
  incrementalCheckpoints: 'Checkpoints always write what has changed.',
  hdfsDefaultFs: NO_HDFS,
  webHdfsAddresses: NO_HDFS,
};

const HEAD = `# Settings

<!-- Made by scripts/generate-reference.ts; do not edit. -->

The engine's settings. A job's own settings are what its schema in \`defineJob\` says.
[Configure a job](../guides/configure-a-job.md) shows how they are used.

A value comes from the last of these that gives one:

1. the default
2. the preset, if one is chosen
3. Flink's configuration file: what \`--config\` names, else in the folder \`FLINK_CONF_DIR\`, else in
   \`./conf\`, else in the working folder; \`config.yaml\`, or \`flink-conf.yaml\` of Flink 1.x
4. the file \`.env\` in the working folder
5. the file \`.env.local\` in the working folder
6. a variable of the process environment; an empty one counts as unset, here and in the files
7. the job's code: \`env.set(name, value)\`, or a setter such as \`env.setParallelism(4)\`
8. the command line: \`-D key=value\`, or \`-p\` for the parallelism

\`tidemark run job.ts --settings\` prints what is in force, and where each value comes from; with \`--json\`
for programs.

A value that is not accepted is refused with [\`SET-001\`](../errors/SET-001.md) before the job starts, all of
them at once. Values that exclude each other are [\`SET-008\`](../errors/SET-008.md). An unknown key is a warning
with the nearest known key, and has no effect; keys that only a Flink cluster knows are one warning together.

Lengths of time are milliseconds, \`60000\`, or have a unit: \`60s\`, \`10 min\`, \`1 h\`, \`2 d\`. A key without a
value says nothing in a file, except where it is told below; after \`-D\` it is refused.
`;

/** The text of docs/reference/settings.md. */
export function settingsPage(): string {
  return [
    HEAD,
    presetTable(),
    ...settingGroups().flatMap(({ title, names }) => [`## ${title}\n`, ...names.map(entry)]),
  ].join('\n');
}

/** All settings, in groups with a title. */
export function settingGroups(): {
  readonly title: string;
  readonly names: readonly SettingName[];
}[] {
  const grouped = [
    { title: 'TaskManagers', names: TASK_MANAGER_SETTINGS },
    { title: 'Checkpoints and state', names: CHECKPOINT_SETTINGS },
    { title: 'Restarts', names: RECOVERY_SETTINGS },
    { title: 'Storage', names: STORAGE_SETTINGS },
    { title: 'REST', names: REST_SETTINGS },
  ];
  const taken = grouped.flatMap(({ names }) => names);
  const others = SETTING_NAMES.filter((name) => !taken.includes(name));
  return [{ title: 'Job', names: others }, ...grouped];
}

function presetTable(): string {
  const names = SETTING_NAMES.filter((name) => PRESET_NAMES.some((each) => name in PRESETS[each]));
  const cell = (preset: PresetName, name: SettingName) => {
    const { [name]: value } = PRESETS[preset];
    return value === undefined ? '' : code(String(value));
  };
  const rows = [
    ['', ...PRESET_NAMES.map(code)],
    ['---', ...PRESET_NAMES.map(() => '---')],
    ...names.map((name) => [
      code(FLINK_SETTINGS[name].key),
      ...PRESET_NAMES.map((preset) => cell(preset, name)),
    ]),
  ];
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, at) => text.padEnd(widths?.[at] ?? 0, text === '---' ? '-' : ' ')).join(' | ')} |`;
  return `## Presets

\`TIDEMARK_PRESET\`, or the key \`tidemark.preset\`, chooses other defaults. The presets for production warn of
a storage on the local disk. In code: \`withPreset(flink, 'development')\`.

${rows.map(line).join('\n')}
`;
}

function entry(name: SettingName): string {
  const row = FLINK_SETTINGS[name] as Setting<string | number | boolean | undefined>;
  const { key, env, otherKeys, oldKeys, otherEnvs, type, doc, secret } = row;
  const { default: value, flinkDefault } = row;
  const note = WITHOUT_EFFECT[name];
  const list = (label: string, values: readonly string[] | undefined) =>
    values === undefined ? [] : [`- ${label}: ${values.map(code).join(', ')}`];
  const lines = [
    `- Key: ${code(key)}`,
    ...list('Or', otherKeys),
    ...list('Older keys', oldKeys),
    `- Variable: ${code(env)}`,
    ...list('Else', otherEnvs),
    `- Accepts: ${type.accepts}`,
    ...(doc.includes('Default:') || value === undefined
      ? []
      : [`- Default: ${code(String(value))}`]),
    ...(flinkDefault === undefined ? [] : [`- In Flink: ${flinkDefault}`]),
    ...(secret === true ? ['- Never shown in messages and summaries'] : []),
  ];
  const effect = note === undefined ? '' : `\n**Has no effect yet.** ${note}\n`;
  const refused = UNBUILT.filter((each) => each.name === name).map(
    ({ value: unbuilt }) =>
      `\n${code(String(unbuilt))} is **not built yet**: refused with [\`JOB-011\`](../errors/JOB-011.md).\n`,
  );
  return `### ${name}\n\n${doc}\n${effect}${refused.join('')}\n${lines.join('\n')}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}
