/**
 * The settings of this process, for code that is not handed any: `settings.flink`.
 *
 * While a job is built they are the ones it is built with. Outside of that they are those that
 * `tidemark run` has read, also in the threads and processes that it starts (it hands them down in an
 * environment variable, so that all see the same, whatever becomes of the files); without `tidemark
 * run` they are read here: environment, `.env` files and Flink's configuration file.
 */
import { readConfigFile } from './config-file.ts';
import { mergedVariables, readEnvFiles } from './env-files.ts';
import type { FlinkSettings } from './flink-settings.ts';
import { parseSettings } from './parse-settings.ts';

/** Holds the settings of `tidemark run` as JSON, for the threads and processes below it. */
const HANDED_DOWN = 'TIDEMARK_HANDED_DOWN_SETTINGS';

interface ProcessSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** `--config`. */
  readonly configPath?: string | undefined;
  /** `-D`. */
  readonly dynamic?: Readonly<Record<string, string>>;
}

interface ReadSettings {
  readonly flink: FlinkSettings;
  /** The process environment over the `.env` files: a job's own settings come from here too. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads everything that is outside of the job.
 *
 * @throws {EngineError} `SET-001`, `SET-006`, `SET-007` (`invalid`)
 */
export function readSettings(sources: ProcessSources): ReadSettings {
  const { env, cwd, configPath, dynamic } = sources;
  const envFiles = readEnvFiles(cwd);
  const variables = mergedVariables(env, envFiles);
  const configFile = readConfigFile({ asked: configPath, env: variables, cwd });
  const flink = parseSettings({ env, envFiles, configFile, ...(dynamic && { dynamic }) });
  return { flink, variables };
}

let current: FlinkSettings | undefined;

/** Settings for code that is not handed any, such as the top of a module. */
export const settings: {
  /**
   * The engine's settings, read once.
   *
   * @throws {EngineError} `SET-001`, `SET-006`, `SET-007` (`invalid`)
   */
  readonly flink: FlinkSettings;
} = {
  get flink() {
    current ??= handedDown() ?? readSettings({ env: process.env, cwd: process.cwd() }).flink;
    return current;
  },
};

/** Runs `act` while `settings.flink` is `flink`. */
export function withCurrent<T>(flink: FlinkSettings, act: () => T): T {
  const before = current;
  current = flink;
  try {
    return act();
  } finally {
    current = before;
  }
}

/**
 * Makes `flink` the settings of this process and of all threads and processes that it starts, and puts
 * the variables of `.env` files into their environment, where a job looks for its own settings.
 */
export function handDown(flink: FlinkSettings, variables: ReadSettings['variables']): void {
  current = flink;
  for (const [name, text] of Object.entries(variables)) {
    if (text !== undefined && (process.env[name] ?? '') === '') process.env[name] = text;
  }
  // Warnings are told by then, and have no bound.
  process.env[HANDED_DOWN] = JSON.stringify({ ...flink, warnings: [] });
}

/**
 * All variables of the threads and processes of a job that others than this process's user submitted:
 * its own settings, and what stands in the `.env` files of its folder now.
 *
 * @throws {EngineError} `SET-007` (`invalid`) if there is such a file that cannot be read.
 */
export function variablesOf(
  flink: FlinkSettings,
  folder: string,
  env: ReadSettings['variables'],
): Record<string, string> {
  const variables = mergedVariables(env, readEnvFiles(folder));
  const all: ReadSettings['variables'] = {
    ...variables,
    [HANDED_DOWN]: JSON.stringify({ ...flink, warnings: [] }),
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  );
}

function handedDown(): FlinkSettings | undefined {
  const { [HANDED_DOWN]: text } = process.env;
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as FlinkSettings);
}
