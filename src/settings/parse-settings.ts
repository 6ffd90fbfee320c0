import { availableParallelism } from 'node:os';
import { EngineError } from '../common/errors.ts';
import type { ConfigFile } from './config-file.ts';
import { findVariable, mergedVariables, type EnvFile } from './env-files.ts';
import { isFlinksOwn } from './flink-keys.ts';
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
import { withPreset } from './presets.ts';
import { problemList, type SettingProblem } from './problem.ts';

export interface SettingSources {
  /** The process environment; only known variables are read. Empty ones count as unset. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `.env`, then `.env.local`. */
  readonly envFiles?: readonly EnvFile[];
  readonly configFile?: ConfigFile | undefined;
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
  const { env, envFiles = [], configFile, dynamic = {}, cores = availableParallelism() } = sources;
  const taken = new TakenValues(cores);
  const file = configFile === undefined ? [] : ownEntries(configFile);
  if (configFile !== undefined) taken.warnings.push(...configFile.warnings);
  taken.takeKeys(file, configFile);
  for (const name of SETTING_NAMES) {
    for (const variable of variablesOf(name).reverse()) {
      const found = findVariable(variable, env, envFiles);
      if (found !== undefined) taken.takeVariable(name, variable, found);
    }
  }
  taken.warnings.push(...unknownVariables(mergedVariables(env, envFiles)));
  taken.takeKeys(Object.entries(dynamic), undefined);
  return taken.settings();
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

/** What the layers have said so far, with what was wrong about it. */
class TakenValues {
  readonly problems: SettingProblem[] = [];
  readonly warnings: string[] = [];
  readonly #values: Partial<Record<SettingName, unknown>>;
  readonly #origins: Partial<Record<SettingName, SettingOrigin>> = {};

  constructor(cores: number) {
    this.#values = { ...defaultValues(), parallelism: cores };
    for (const name of SETTING_NAMES) this.#origins[name] = { kind: 'default' };
  }

  takeVariable(
    name: SettingName,
    variable: string,
    { text, file }: { readonly text: string; readonly file: string | undefined },
  ): void {
    const said = file === undefined ? variable : `${file}: ${variable}`;
    const place = file === undefined ? {} : { file };
    this.#take(name, text, said, { kind: 'environment', variable, ...place });
  }

  /** Of a configuration file, or of `-D` if there is none. */
  takeKeys(entries: readonly (readonly [string, string])[], from: ConfigFile | undefined): void {
    const prefix = from === undefined ? '' : `${from.file}: `;
    const withoutEffect: string[] = [];
    for (const [key, text] of weakestFirst(entries)) {
      const name = NAME_BY_KEY.get(key);
      if (name === undefined) {
        if (isFlinksOwn(key)) withoutEffect.push(key);
        else this.warnings.push(`${prefix}${unknownKey(key)}`);
        continue;
      }
      const { key: current, oldKeys = [], whenEmpty } = rowOf(name);
      if (oldKeys.includes(key))
        this.warnings.push(`${prefix}${key} is now ${current}; the old key still works`);
      const origin: SettingOrigin =
        from === undefined
          ? { kind: 'dynamic', key }
          : { kind: 'config-file', file: from.file, key };
      // An empty -D is a slip of the shell; in a file, it is a line that was left for later.
      if (text !== '' || from === undefined) this.#take(name, text, `${prefix}${key}`, origin);
      else if (whenEmpty !== undefined) this.#put(name, whenEmpty, origin);
    }
    if (withoutEffect.length > 0)
      this.warnings.push(`${prefix}of Flink, without effect here: ${withoutEffect.join(', ')}`);
  }

  /** @throws {EngineError} `SET-001` (`invalid`) */
  settings(): FlinkSettings {
    if (this.problems.length > 0) throw badSettings(this.problems);
    const settings = Object.freeze({
      ...(this.#values as unknown as SettingValues),
      origins: Object.freeze(this.#origins as Record<SettingName, SettingOrigin>),
      warnings: Object.freeze(this.warnings),
    });
    const { preset } = settings;
    return preset === undefined ? settings : withPreset(settings, preset);
  }

  #take(name: SettingName, text: string, said: string, origin: SettingOrigin): void {
    const { type, secret } = rowOf(name);
    const value = type.parse(text);
    if (value === undefined)
      this.problems.push({
        name: said,
        got: secret === true ? '***' : text,
        accepts: type.accepts,
      });
    this.#put(name, value, origin);
  }

  #put(name: SettingName, value: unknown, origin: SettingOrigin): void {
    this.#values[name] = value;
    this.#origins[name] = origin;
  }
}

function rowOf(name: SettingName): Setting<unknown> {
  return FLINK_SETTINGS[name];
}

/** Every variable of a setting, the strongest first. */
function variablesOf(name: SettingName): string[] {
  const { env, otherEnvs = [] } = rowOf(name);
  return [env, ...otherEnvs];
}

/** Every key of a setting, the strongest first. */
function keysOf(name: SettingName): string[] {
  const { key, otherKeys = [], oldKeys = [] } = rowOf(name);
  return [key, ...otherKeys, ...oldKeys];
}

const NAME_BY_KEY: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.flatMap((name) => keysOf(name).map((key): [string, SettingName] => [key, name])),
);

const VARIABLES: readonly string[] = SETTING_NAMES.flatMap(variablesOf);

function defaultValues(): Partial<Record<SettingName, unknown>> {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, FLINK_SETTINGS[name].default]));
}

/** A key of today wins over its other and older names, whatever the order. */
function weakestFirst(
  entries: readonly (readonly [string, string])[],
): (readonly [string, string])[] {
  const strength = ([key]: readonly [string, string]): number => {
    const name = NAME_BY_KEY.get(key);
    return name === undefined ? 0 : -keysOf(name).indexOf(key);
  };
  return [...entries].sort((a, b) => strength(a) - strength(b));
}

/** A file in the working folder in which there is no known key is another program's. */
function ownEntries({ entries, isGuess }: ConfigFile): ConfigFile['entries'] {
  const isOurs = !isGuess || entries.some(([key]) => NAME_BY_KEY.has(key));
  return isOurs ? entries : [];
}

function unknownKey(key: string): string {
  const known = nearest(key, [...NAME_BY_KEY.keys()]);
  return known === undefined
    ? `${key} is not known and has no effect`
    : `${key} is not known and has no effect; the nearest known key is ${known}`;
}

/** Other programs have such variables as well: only what looks like a slip is worth a word. */
function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env)
    .filter((variable) => /^(FLINK|TIDEMARK|FS_S3A)_/.test(variable))
    .filter((variable) => !VARIABLES.includes(variable))
    .flatMap((variable) => {
      const meant = nearest(variable, VARIABLES);
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
