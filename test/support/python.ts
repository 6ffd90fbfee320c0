/** Python with packages that the tests need, set up once per machine and kept outside the repository. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What other programs read and write Parquet with. */
export const PARQUET_PACKAGES = ['duckdb==2.0.1', 'pyarrow==26.0.1'] as const;

/** Other readers and writers of Iceberg tables. DuckDB and its extensions fit each other by version only. */
export const ICEBERG_PACKAGES = [
  'pyiceberg[pyiceberg-core,pyarrow]==0.12.0',
  'pyarrow==26.0.1',
  'duckdb==1.5.5',
  'duckdb-extension-avro==1.5.5',
  'duckdb-extension-httpfs==1.5.5',
  'duckdb-extension-iceberg==1.5.5',
  'pytz==2026.6',
] as const;

/** Long enough to fetch some 70 MB. */
export const PYTHON_SETUP_MS = 600_000;

/**
 * The Python of a virtual environment that has these packages. It appears by one rename, so that one
 * that was interrupted, or two at once, do no harm.
 */
export function pythonWith(packages: readonly string[]): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  const version = run('python3', ['--version']);
  const hash = createHash('sha256')
    .update([version, ...packages].join())
    .digest('hex');
  const folder = path.join(cache, 'tidemark', `python-${hash.slice(0, 12)}`);
  if (!fs.existsSync(folder)) {
    fs.mkdirSync(path.dirname(folder), { recursive: true });
    const fresh = fs.mkdtempSync(`${folder}.`);
    run('python3', ['-m', 'venv', fresh]);
    run(`${fresh}/bin/python`, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      ...packages,
    ]);
    try {
      fs.renameSync(fresh, folder);
    } catch (error) {
      if (!fs.existsSync(folder)) throw error;
      fs.rmSync(fresh, { recursive: true });
    }
  }
  return `${folder}/bin/python`;
}

/** What the program prints. */
export function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  throw new TypeError(`${command} ${args.join(' ')} failed: ${error?.message ?? ''}${stderr}`);
}
