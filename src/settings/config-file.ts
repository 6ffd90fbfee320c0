/**
 * Flink's configuration file, in its two forms: `config.yaml` is YAML, nested as one likes;
 * `flink-conf.yaml` of Flink 1.x has a `key: value` on each line and is no YAML.
 *
 * The texts of the values stay as they are; what they mean is known to each setting.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { EngineError } from '../common/errors.ts';

export interface ConfigFile {
  /** As messages name it: from the working folder if it is in there. */
  readonly file: string;
  /** Flat keys, in their order. */
  readonly entries: readonly (readonly [key: string, text: string])[];
  /** Lines that say nothing. */
  readonly warnings: readonly string[];
  /** It was found in the working folder, where it may be another program's. */
  readonly isGuess: boolean;
}

interface Lookup {
  /** `--config`: a file, or a folder that holds one. */
  readonly asked?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** Flink 2.x reads the first only, Flink 1.x knows both. */
const NAMES = ['config.yaml', 'flink-conf.yaml'] as const;

/** A file with more than this is no configuration. */
const BYTES_MAX = 2 ** 20;

/**
 * Finds and reads the configuration file: where `--config` says, else in `FLINK_CONF_DIR`, else in
 * `./conf`, else in the working folder. Undefined if there is none.
 *
 * @throws {EngineError} `SET-006` (`invalid`) if there is none where one was asked for.
 * @throws {EngineError} `SET-007` (`invalid`) if it cannot be read.
 */
export function readConfigFile({ asked, env, cwd }: Lookup): ConfigFile | undefined {
  const { FLINK_CONF_DIR: folder = '' } = env;
  if (asked !== undefined) return readNamed(cwd, asked, '--config');
  if (folder !== '') return readNamed(cwd, folder, 'FLINK_CONF_DIR');
  return readIn(cwd, path.join(cwd, 'conf'), false) ?? readIn(cwd, cwd, true);
}

function readNamed(cwd: string, name: string, by: string): ConfigFile {
  const full = path.resolve(cwd, name);
  const isFile = fs.statSync(full, { throwIfNoEntry: false })?.isFile() === true;
  const found = isFile ? readOne(cwd, full, false) : readIn(cwd, full, false);
  if (found !== undefined) return found;
  throw new EngineError('SET-006', 'invalid', 'there is no configuration file', {
    details: { [by]: name, lookedFor: NAMES.join(', ') },
    hint: `Let ${by} name a ${by === '--config' ? 'file, or a ' : ''}folder that holds config.yaml or flink-conf.yaml, or leave it out.`,
  });
}

function readIn(cwd: string, folder: string, isGuess: boolean): ConfigFile | undefined {
  const [first, ...others] = NAMES.map((name) => path.join(folder, name)).filter((file) =>
    fs.statSync(file, { throwIfNoEntry: false })?.isFile(),
  );
  if (first === undefined) return undefined;
  const config = readOne(cwd, first, isGuess);
  const ignored = others.map(
    (other) => `${shownPath(cwd, other)} is not read, since there is ${config.file}`,
  );
  return { ...config, warnings: [...config.warnings, ...ignored] };
}

function readOne(cwd: string, full: string, isGuess: boolean): ConfigFile {
  const file = shownPath(cwd, full);
  const text = readSettingsFile(full, file);
  const isOld = path.basename(full) === 'flink-conf.yaml';
  return { file, isGuess, ...(isOld ? parseFlinkConf(text, file) : parseConfigYaml(text, file)) };
}

/**
 * The text of a file with settings.
 *
 * @throws {EngineError} `SET-007` (`invalid`)
 */
export function readSettingsFile(full: string, shown: string): string {
  let text: string;
  try {
    const { size } = fs.statSync(full);
    if (size > BYTES_MAX) throw unreadable(shown, `it has ${size} bytes`);
    text = fs.readFileSync(full, 'utf8');
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw unreadable(shown, (cause as Error).message, cause);
  }
  return text.replace(/^\uFEFF/, '');
}

/** Flat keys of YAML, nested or not. A list is its elements with `;`, as in Flink. */
export function parseConfigYaml(
  text: string,
  file: string,
): Pick<ConfigFile, 'entries' | 'warnings'> {
  // Loaded when there is a file: this module is part of every thread of a job.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  // In this schema every scalar is the text that stands there: 1.10 is not 1.1.
  const document = parseDocument(text, { schema: 'failsafe', prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw unreadable(file, problem.message.split('\n')[0] ?? '', problem);
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw unreadable(file, (cause as Error).message, cause);
  }
  if (content === null || content === '') return { entries: [], warnings: [] };
  if (typeof content !== 'object' || Array.isArray(content)) {
    return { entries: [], warnings: [`${file} holds no keys`] };
  }
  return { entries: flat(content, ''), warnings: [] };
}

function flat(value: unknown, key: string): [string, string][] {
  if (Array.isArray(value)) return [[key, value.map(scalarText).join(';')]];
  if (typeof value !== 'object' || value === null) return [[key, scalarText(value)]];
  return Object.entries(value).flatMap(([name, inner]) =>
    flat(inner, key === '' ? name : `${key}.${name}`),
  );
}

function scalarText(value: unknown): string {
  if (typeof value !== 'string') return value === null ? '' : JSON.stringify(value);
  return value === 'null' || value === '~' ? '' : value;
}

/** As Flink 1.x reads it: what stands behind a `#` is a comment, the first `: ` ends the key. */
export function parseFlinkConf(
  text: string,
  file: string,
): Pick<ConfigFile, 'entries' | 'warnings'> {
  const entries: [string, string][] = [];
  const warnings: string[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const said = (line.split('#')[0] ?? '').trim();
    if (said === '' || said === '---') return;
    const [, key, value = ''] = /^(\S+?):(?:\s+(.*))?$/.exec(said) ?? [];
    if (key === undefined) warnings.push(`${file}, line ${index + 1}, is not key: value`);
    else entries.push([key, value.replace(/^(["'])(.*)\1$/, '$2')]);
  });
  return { entries, warnings };
}

/** From the working folder if it is in there. */
export function shownPath(cwd: string, full: string): string {
  const relative = path.relative(cwd, full);
  return relative.startsWith('..') || path.isAbsolute(relative) ? full : relative;
}

function unreadable(file: string, why: string, cause?: unknown): EngineError {
  return new EngineError('SET-007', 'invalid', 'a file with settings cannot be read', {
    details: { file, why },
    hint: 'Correct the file, or take it away.',
    ...(cause === undefined ? {} : { cause }),
  });
}
