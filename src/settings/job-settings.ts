/**
 * The settings of a job itself, checked by the schema that `defineJob` got. A value comes from an
 * argument behind `--` (`--max-rows 5`), else from a variable (`HEALTH_MAX_ROWS`), else from the
 * schema's default. Texts become numbers, booleans and lists where the schema's JSON Schema says so.
 */
import { EngineError } from '../common/errors.ts';
import { accepts, coerce, fieldsOf, type SettingField, type SettingsSchema } from './job-fields.ts';
import { nearest } from './nearest.ts';
import { problemList, type SettingProblem } from './problem.ts';

export interface JobSettingSources {
  /** What stands behind `--`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface Said {
  /** As the user wrote it: `--max-rows`, or the variable's name. */
  readonly by: string;
  readonly texts: readonly string[];
}

/** The first word of a job's name in capitals: `health-pipeline` has `HEALTH_…` variables. */
export function settingsPrefix(jobName: string): string {
  const [word = ''] = /[\p{L}\p{N}]+/u.exec(jobName) ?? [];
  return word.toUpperCase();
}

/**
 * Reads a job's settings.
 *
 * @param prefix Of the variables: `settingsPrefix(job.name)`.
 * @throws {EngineError} `SET-003` (`invalid`) with every argument and value that cannot be used.
 * @throws {EngineError} `SET-004` (`invalid`) for a schema that cannot be filled from texts.
 * @throws {EngineError} `SET-005` (`invalid`) for a schema that checks asynchronously.
 *
 * @example
 * ```ts
 * const settings = parseJobSettings(job.settingsSchema, settingsPrefix(job.name), { args, env: process.env });
 * ```
 */
export function parseJobSettings<T>(
  schema: SettingsSchema<T>,
  prefix: string,
  sources: JobSettingSources,
): T;
export function parseJobSettings(
  schema: undefined,
  prefix: string,
  sources: JobSettingSources,
): undefined;
export function parseJobSettings<T>(
  schema: SettingsSchema<T> | undefined,
  prefix: string,
  sources: JobSettingSources,
): T | undefined;
export function parseJobSettings<T>(
  schema: SettingsSchema<T> | undefined,
  prefix: string,
  { args, env }: JobSettingSources,
): T | undefined {
  const fields = schema === undefined ? [] : fieldsOf(schema);
  const { said, problems } = readArguments(args, fields);
  const values: Record<string, unknown> = {};
  for (const field of fields) {
    const variable = variableOf(prefix, field);
    const text = env[variable];
    if (!said.has(field.name) && text !== undefined && text !== '') {
      said.set(field.name, { by: variable, texts: [text] });
    }
    const given = said.get(field.name);
    if (given !== undefined) values[field.name] = coerce(given.texts, field);
  }
  const checked = schema?.['~standard'].validate(values);
  if (checked instanceof Promise) {
    throw new EngineError('SET-005', 'invalid', 'the settings schema is async', {
      hint: 'Use a schema that checks without waiting.',
    });
  }
  for (const { message, path } of checked?.issues ?? []) {
    const name = nameOf(path?.[0]);
    const field = fields.find((each) => each.name === name);
    problems.push(problemOf(field, name, said.get(name), prefix, message));
  }
  if (problems.length > 0) throw badJobSettings(problems, fields, prefix);
  return checked?.issues === undefined ? checked?.value : undefined;
}

/** The text of `--help`: every setting with its argument, variable, type and default. */
export function jobSettingsHelp(
  schema: SettingsSchema<unknown> | undefined,
  prefix: string,
): string {
  const fields = schema === undefined ? [] : fieldsOf(schema);
  if (fields.length === 0) return 'This job has no settings of its own.';
  const rows = fields.map((field) => {
    const whenMissing =
      field.default !== undefined
        ? `default ${JSON.stringify(field.default)}`
        : field.required
          ? 'required'
          : 'optional';
    const doc = field.doc === undefined ? '' : `${field.doc}; `;
    return [flagOf(field), variableOf(prefix, field), `${doc}${accepts(field)}; ${whenMissing}`];
  });
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [flag, variable] = [width(0), width(1)];
  return [
    'Settings of this job, behind --, or as variables:',
    ...rows.map(([a = '', b = '', c = '']) => `  ${a.padEnd(flag)}  ${b.padEnd(variable)}  ${c}`),
  ].join('\n');
}

function readArguments(args: readonly string[], fields: readonly SettingField[]) {
  const said = new Map<string, Said>();
  const problems: SettingProblem[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    const [, flag = '', , inline] = /^--([^=]+)(=(.*))?$/s.exec(arg) ?? [];
    const field = fieldOf(flag, fields);
    if (field === undefined) {
      problems.push({ name: arg, got: 'unknown', accepts: known(flag, fields) });
      // What follows an unknown name is its value, and no second problem.
      if (flag !== '' && args[at + 1]?.startsWith('--') === false) at += 1;
      continue;
    }
    const next = args[at + 1];
    let text = inline;
    if (text === undefined && field.types.includes('boolean')) {
      const isSaid = next === 'true' || next === 'false';
      text = isSaid ? next : flag === kebab(field.name) ? 'true' : 'false';
      if (isSaid) at += 1;
    } else if (text === undefined) {
      if (next === undefined || next.startsWith('--')) {
        problems.push({ name: arg, got: 'no value', accepts: accepts(field) });
        continue;
      }
      text = next;
      at += 1;
    }
    const before = field.types.includes('array') ? (said.get(field.name)?.texts ?? []) : [];
    said.set(field.name, { by: flagOf(field), texts: [...before, text] });
  }
  return { said, problems };
}

/** By `--max-rows`, `--maxRows`, and `--no-cache` for a boolean `cache`. */
function fieldOf(flag: string, fields: readonly SettingField[]): SettingField | undefined {
  return fields.find(
    (field) =>
      flag === kebab(field.name) ||
      flag === field.name ||
      (flag === `no-${kebab(field.name)}` && field.types.includes('boolean')),
  );
}

function known(flag: string, fields: readonly SettingField[]): string {
  const flags = fields.map(flagOf);
  if (flags.length === 0) return 'nothing: this job has no settings';
  const meant = nearest(`--${flag}`, flags);
  return meant === undefined ? flags.join(', ') : `${flags.join(', ')}; the nearest is ${meant}`;
}

function problemOf(
  field: SettingField | undefined,
  name: string,
  given: Said | undefined,
  prefix: string,
  message: string,
): SettingProblem {
  if (field === undefined)
    return {
      name: name === '' ? 'settings' : name,
      got: message,
      accepts: 'what the schema of the job says',
    };
  return {
    name: given?.by ?? `${flagOf(field)} or ${variableOf(prefix, field)}`,
    got: given === undefined ? 'missing' : shownValue(field.name, given.texts.join(',')),
    accepts: given === undefined ? accepts(field) : `${accepts(field)} (${message})`,
  };
}

function badJobSettings(
  problems: readonly SettingProblem[],
  fields: readonly SettingField[],
  prefix: string,
): EngineError {
  const example =
    fields[0] === undefined ? '' : ` Variables are named ${variableOf(prefix, fields[0])}.`;
  return new EngineError('SET-003', 'invalid', "the job's settings cannot be used", {
    details: { count: problems.length },
    hint: `Correct ${problemList(problems)}\n  Give them behind --.${example}`,
  });
}

/** Messages end in logs: what is named like a secret is not shown. */
function shownValue(name: string, text: string): string {
  return /password|secret|token|credential|key$/i.test(name) ? '***' : text;
}

function variableOf(prefix: string, field: SettingField): string {
  return `${prefix}_${kebab(field.name).replaceAll('-', '_').toUpperCase()}`;
}

function flagOf(field: SettingField): string {
  return `--${kebab(field.name)}`;
}

/** `maxRowsPerFile` as `max-rows-per-file`. */
function kebab(name: string): string {
  return name
    .replaceAll('_', '-')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase();
}

function nameOf(segment: PropertyKey | { readonly key: PropertyKey } | undefined): string {
  if (segment === undefined) return '';
  return String(typeof segment === 'object' ? segment.key : segment);
}
