import { availableParallelism } from 'node:os';
import { EngineError } from '../common/errors.ts';
import {
  FLINK_SETTINGS,
  SETTING_NAMES,
  type FlinkSettings,
  type Setting,
  type SettingName,
  type SettingOrigin,
  type SettingValues,
} from './flink-settings.ts';
import { nearest } from './nearest.ts';
import { problemList, type SettingProblem } from './problem.ts';

export interface SettingSources {
  /** The process environment; only known `FLINK_*` variables are read. Empty ones count as unset. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `-D key=value` said: Flink keys, old ones included. */
  readonly dynamic?: Readonly<Record<string, string>>;
  /** Cores of this machine, the default parallelism. */
  readonly cores?: number;
}

/**
 * Reads all settings. Nothing is assumed for a value that cannot be read.
 *
 * @throws {EngineError} `SET-001` (`invalid`) with every bad value: its name, what it got and what
 * it accepts.
 *
 * @example `parseSettings({ env: process.env, dynamic: { 'parallelism.default': '4' } })`
 */
export function parseSettings(sources: SettingSources): FlinkSettings {
  const { env, dynamic = {}, cores = availableParallelism() } = sources;
  const problems: SettingProblem[] = [];
  const warnings: string[] = unknownVariables(env);
  const values: Partial<Record<SettingName, unknown>> = { ...defaultValues(), parallelism: cores };
  const origins: Partial<Record<SettingName, SettingOrigin>> = {};
  const take = (name: SettingName, text: string, said: string, origin: SettingOrigin) => {
    const { type } = FLINK_SETTINGS[name] as Setting<unknown>;
    const value = type.parse(text);
    if (value === undefined) problems.push({ name: said, got: text, accepts: type.accepts });
    values[name] = value;
    origins[name] = origin;
  };

  for (const name of SETTING_NAMES) {
    const variable = FLINK_SETTINGS[name].env;
    const text = env[variable];
    origins[name] = { kind: 'default' };
    if (text !== undefined && text !== '')
      take(name, text, variable, { kind: 'environment', variable });
  }
  for (const [key, text] of currentKeysLast(dynamic)) {
    const name = NAME_BY_KEY.get(key);
    if (name === undefined) {
      warnings.push(unknownKey(key));
      continue;
    }
    const current = FLINK_SETTINGS[name].key;
    if (current !== key) warnings.push(`${key} is now ${current}; the old key still works`);
    take(name, text, key, { kind: 'dynamic', key });
  }
  if (problems.length > 0) throw badSettings(problems);
  return Object.freeze({
    ...(values as unknown as SettingValues),
    origins: Object.freeze(origins as Record<SettingName, SettingOrigin>),
    warnings: Object.freeze(warnings),
  });
}

/** The settings as they are where nobody says anything; parallelism is 1. */
export function defaultSettings(): FlinkSettings {
  return parseSettings({ env: {}, cores: 1 });
}

/**
 * Makes the record of `-D key=value` arguments.
 *
 * @throws {EngineError} `SET-002` (`invalid`) for one without a key or `=`.
 */
export function dynamicProperties(said: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    said.map((text) => {
      const at = text.indexOf('=');
      if (at > 0) return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
      throw new EngineError('SET-002', 'invalid', '-D is not key=value', {
        details: { got: text },
        hint: 'Write -D execution.checkpointing.interval=60s, without spaces around the =.',
      });
    }),
  );
}

const NAME_BY_KEY: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.flatMap((name) => {
    const { key, oldKeys = [] } = FLINK_SETTINGS[name] as Setting<unknown>;
    return [key, ...oldKeys].map((each): [string, SettingName] => [each, name]);
  }),
);

function defaultValues(): Partial<Record<SettingName, unknown>> {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, FLINK_SETTINGS[name].default]));
}

/** A key of today wins over its old name, whatever the order. */
function currentKeysLast(dynamic: Readonly<Record<string, string>>): [string, string][] {
  const isCurrent = ([key]: [string, string]) => {
    const name = NAME_BY_KEY.get(key);
    return name !== undefined && FLINK_SETTINGS[name].key === key ? 1 : 0;
  };
  return Object.entries(dynamic).sort((a, b) => isCurrent(a) - isCurrent(b));
}

function unknownKey(key: string): string {
  const known = nearest(key, [...NAME_BY_KEY.keys()]);
  return known === undefined
    ? `${key} is not known and has no effect`
    : `${key} is not known and has no effect; the nearest known key is ${known}`;
}

/** Other programs have `FLINK_*` variables as well: only what looks like a slip is worth a word. */
function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = SETTING_NAMES.map((name) => FLINK_SETTINGS[name].env);
  return Object.keys(env)
    .filter((variable) => variable.startsWith('FLINK_') && !known.includes(variable as never))
    .flatMap((variable) => {
      const meant = nearest(variable, known);
      return meant === undefined
        ? []
        : [`${variable} is not known and has no effect; the nearest known variable is ${meant}`];
    });
}

function badSettings(problems: readonly SettingProblem[]): EngineError {
  return new EngineError('SET-001', 'invalid', 'settings have bad values', {
    details: { count: problems.length },
    hint: `Correct ${problemList(problems)}`,
  });
}
