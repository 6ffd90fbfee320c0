/**
 * The variables of a project: `.env` and `.env.local` in the working folder, and the process
 * environment, which wins over both. An empty variable counts as unset: the layer below it counts.
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { readSettingsFile } from './config-file.ts';

type Variables = Readonly<Record<string, string | undefined>>;

export interface EnvFile {
  /** As messages name it. */
  readonly file: string;
  readonly values: Variables;
}

/** Later ones win. */
const NAMES = ['.env', '.env.local'] as const;

/** @throws {EngineError} `SET-007` (`invalid`) if there is one that cannot be read. */
export function readEnvFiles(cwd: string): readonly EnvFile[] {
  return NAMES.flatMap((file) => {
    const full = path.join(cwd, file);
    if (fs.statSync(full, { throwIfNoEntry: false }) === undefined) return [];
    return [{ file, values: parseEnv(readSettingsFile(full, file)) }];
  });
}

/** Where a variable was found: in a file, or (without one) in the process environment. */
export interface FoundVariable {
  readonly text: string;
  readonly file: string | undefined;
}

export function findVariable(
  variable: string,
  env: Variables,
  files: readonly EnvFile[],
): FoundVariable | undefined {
  const layers = [{ file: undefined, values: env }, ...[...files].reverse()];
  for (const { file, values } of layers) {
    const text = values[variable];
    if (text !== undefined && text !== '') return { text, file };
  }
  return undefined;
}

/** All variables as they count. */
export function mergedVariables(env: Variables, files: readonly EnvFile[]): Variables {
  const names = [...files.map(({ values }) => values), env].flatMap((values) =>
    Object.keys(values),
  );
  return Object.fromEntries(
    [...new Set(names)].map((name) => [name, findVariable(name, env, files)?.text]),
  );
}
