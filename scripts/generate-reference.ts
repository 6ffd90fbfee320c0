// Writes docs/reference/settings.md from the table of settings. With --check it writes nothing and
// fails if the page is not what the table says, or if the code reads a setting that the page says has
// no effect, or the other way round.

import fs from 'node:fs';
import path from 'node:path';
import {
  CHECKPOINT_SETTINGS,
  FLINK_SETTINGS,
  RECOVERY_SETTINGS,
  SETTING_NAMES,
  TASK_MANAGER_SETTINGS,
  type Setting,
  type SettingName,
} from '../src/settings/flink-settings.ts';
import { UNBUILT } from '../src/cluster/require-built.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const PAGE = 'docs/reference/settings.md';

/** What can be set and does nothing yet. */
const WITHOUT_EFFECT: Partial<Record<SettingName, string>> = {
  alignedCheckpointTimeoutMs: 'Checkpoints are always aligned.',
  savepointDirectory: 'No command takes a savepoint.',
  incrementalCheckpoints: 'Checkpoints always write what has changed.',
  taskSlots: 'All tasks run in the process of the job, a slot of it for each subtask.',
  redundantTaskManagers: 'All tasks run in the process of the job.',
  heartbeatIntervalMs: 'All tasks run in the process of the job.',
  heartbeatTimeoutMs: 'All tasks run in the process of the job.',
  failoverStrategy: 'A failed task always restarts the whole job.',
};

/** Where a name says nothing about whether somebody acts on it. */
const DECLARING = ['settings/flink-settings.ts', 'api/'];

/** Without effect, although the name stands in the code: the coordinator knows it, and nobody asks it. */
const MENTIONED: ReadonlySet<SettingName> = new Set(['savepointDirectory']);

const HEAD = `# Settings

<!-- Made by scripts/generate-reference.ts; do not edit. -->

The engine's settings. A job's own settings are what its schema in \`defineJob\` says.

A value comes from the last of these that gives one:

1. the default
2. a variable of the environment; an empty one counts as unset
3. the job's code: \`env.set(name, value)\`, or a setter such as \`env.setParallelism(4)\`
4. the command line: \`-D key=value\`, or \`-p\` for the parallelism

A value that is not accepted is refused with [\`SET-001\`](../errors/SET-001.md) before the job starts. An
unknown key after \`-D\` is a warning and has no effect.

Lengths of time are milliseconds, \`60000\`, or have a unit: \`60s\`, \`10 min\`, \`1 h\`, \`2 d\`.
`;

function page(): string {
  const grouped = new Set([...TASK_MANAGER_SETTINGS, ...CHECKPOINT_SETTINGS, ...RECOVERY_SETTINGS]);
  return [
    HEAD,
    ...section(
      'Job',
      SETTING_NAMES.filter((name) => !grouped.has(name)),
    ),
    ...section('TaskManagers', TASK_MANAGER_SETTINGS),
    ...section('Checkpoints and state', CHECKPOINT_SETTINGS),
    ...section('Restarts', RECOVERY_SETTINGS),
  ].join('\n');
}

function section(title: string, names: readonly SettingName[]): string[] {
  return [`## ${title}\n`, ...names.map(entry)];
}

function entry(name: SettingName): string {
  const { key, env, oldKeys, type, default: value, doc } = FLINK_SETTINGS[name] as Setting<unknown>;
  const note = WITHOUT_EFFECT[name];
  const hasWords = doc.includes('Default:');
  const lines = [
    `- Key: \`${key}\``,
    ...(oldKeys === undefined ? [] : [`- Older keys: ${oldKeys.map(code).join(', ')}`]),
    `- Variable: ${code(env)}`,
    `- Accepts: ${type.accepts}`,
    ...(hasWords ? [] : [`- Default: ${code(String(value))}`]),
  ];
  const effect = note === undefined ? '' : `\n**Has no effect yet.** ${note}\n`;
  const refused = UNBUILT.filter((each) => each.name === name).map(
    ({ value }) =>
      `\n${code(String(value))} is **not built yet**: refused with [\`JOB-011\`](../errors/JOB-011.md).\n`,
  );
  return `### ${name}\n\n${doc}\n${effect}${refused.join('')}\n${lines.join('\n')}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Names of settings whose effect is not as the page says. */
function wrongEffects(): string[] {
  const src = path.join(ROOT, 'src');
  const code = fs
    .readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .filter((name) => !DECLARING.some((start) => name.startsWith(start)))
    .map((name) => fs.readFileSync(path.join(src, name), 'utf8'))
    .join('\n');
  return SETTING_NAMES.filter((name) => {
    if (MENTIONED.has(name)) return false;
    const isRead = new RegExp(`\\b${name}\\b`).test(code);
    return isRead === (WITHOUT_EFFECT[name] !== undefined);
  });
}

function check(file: string, text: string): string[] {
  const isCurrent = fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text;
  return [
    ...(isCurrent
      ? []
      : [`${PAGE} is not what the table of settings says. Run: npm run reference`]),
    ...wrongEffects().map(
      (name) => `scripts/generate-reference.ts: WITHOUT_EFFECT is wrong about ${name}`,
    ),
  ];
}

const file = path.join(ROOT, PAGE);
const text = page();
if (process.argv.includes('--check')) {
  const found = check(file, text);
  for (const problem of found) console.error(problem);
  process.exitCode = found.length === 0 ? 0 : 1;
} else {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}
