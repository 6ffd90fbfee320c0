// Writes what is made of the table of settings: docs/reference/settings.md and .env.example. With --check
// it writes nothing and fails if one is not what the table says, or if the code reads a setting that the
// page says has no effect, or the other way round.

import fs from 'node:fs';
import path from 'node:path';
import { SETTING_NAMES, type SettingName } from '../src/settings/flink-settings.ts';
import { envExample } from './reference/env-example.ts';
import { settingsPage, WITHOUT_EFFECT } from './reference/settings-page.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const PAGES = [
  { name: 'docs/reference/settings.md', text: settingsPage() },
  { name: '.env.example', text: envExample() },
];

/** Where a name says nothing about whether somebody acts on it. */
const DECLARING = [
  'settings/flink-settings.ts',
  'settings/storage-table.ts',
  'settings/presets.ts',
  'settings/judge-settings.ts',
  'api/',
];

/** Without effect, although the name stands in the code: the service shows it. */
const MENTIONED: ReadonlySet<SettingName> = new Set(['alignedCheckpointTimeoutMs']);

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

function problems(): string[] {
  const outdated = PAGES.filter(({ name, text }) => {
    const file = path.join(ROOT, name);
    return !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text;
  });
  return [
    ...outdated.map(
      ({ name }) => `${name} is not what the table of settings says. Run: npm run reference`,
    ),
    ...wrongEffects().map(
      (name) => `scripts/reference/settings-page.ts: WITHOUT_EFFECT is wrong about ${name}`,
    ),
  ];
}

if (process.argv.includes('--check')) {
  const found = problems();
  for (const problem of found) console.error(problem);
  process.exitCode = found.length === 0 ? 0 : 1;
} else {
  for (const { name, text } of PAGES) {
    const file = path.join(ROOT, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
}
