/** Python with packages that the tests need, set up once per machine and kept outside the repository. */
import { createHash } from 'node:crypto';
import { cached, runStep } from '../../scripts/services/service.ts';

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

/** The Python of a virtual environment that has these packages. */
export function pythonWith(packages: readonly string[]): string {
  const version = runStep('python3', ['--version']);
  const hash = createHash('sha256')
    .update([version, ...packages].join())
    .digest('hex');
  const folder = cached(`python-${hash.slice(0, 12)}`, (fresh) => {
    runStep('python3', ['-m', 'venv', fresh]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    runStep(`${fresh}/bin/python`, [...pip, ...packages]);
  });
  return `${folder}/bin/python`;
}

/** What the program prints. */
export function run(command: string, args: readonly string[]): string {
  return runStep(command, args);
}
