import type { FlinkSettings } from '../settings/flink-settings.ts';

/** What changes the settings on the command line. */
export interface SettingOptions {
  readonly D: readonly string[];
  /** Flink's configuration file, or the folder that holds it. */
  readonly config?: string;
  readonly parallelism?: string;
}

export interface ReadSettings {
  readonly flink: FlinkSettings;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** Reads the settings, and makes them those of all threads and processes that this one starts. */
export async function readAll(options: SettingOptions): Promise<ReadSettings> {
  const { dynamicProperties } = await import('../settings/parse-settings.ts');
  const { handDown, readSettings } = await import('../settings/process-settings.ts');
  const dynamic = { ...dynamicProperties(options.D) };
  if (options.parallelism !== undefined) dynamic['parallelism.default'] = options.parallelism;
  const sources = { env: process.env, cwd: process.cwd(), configPath: options.config, dynamic };
  const read = readSettings(sources);
  handDown(read.flink, read.variables);
  return read;
}
