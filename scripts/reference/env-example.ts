import {
  FLINK_SETTINGS,
  type Setting,
  type SettingName,
} from '../../src/settings/flink-settings.ts';
import { settingGroups } from './settings-page.ts';

const HEAD = `# Every variable of the engine with its default. Made by scripts/generate-reference.ts; do not edit.
#
# Copy it to .env and take away the # before what shall differ. .env.local wins over .env, and the
# process environment over both. Keep secrets out of files that are committed.
`;

/** The text of .env.example. */
export function envExample(): string {
  return [
    HEAD,
    ...settingGroups().map(
      ({ title, names }) => `# --- ${title} ---\n\n${names.map(entry).join('\n')}`,
    ),
  ].join('\n');
}

function entry(name: SettingName): string {
  const {
    env,
    otherEnvs = [],
    type,
    default: value,
    doc,
  } = FLINK_SETTINGS[name] as Setting<string | number | boolean | undefined>;
  // Where the default is nothing, or depends on the machine, the sentence says what happens.
  const isFixed = value !== undefined && !doc.includes('Default:');
  const also = otherEnvs.length === 0 ? '' : `# Also as ${otherEnvs.join(', ')}.\n`;
  return `# ${doc}\n# Accepts ${type.accepts}.\n${also}# ${env}=${isFixed ? String(value) : ''}\n`;
}
