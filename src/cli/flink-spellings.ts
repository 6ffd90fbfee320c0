/** Long options that Flink's client writes with one dash. */
const ONE_DASH = new Set([
  'all',
  'allowNonRestoredState',
  'detached',
  'dispose',
  'drain',
  'full',
  'fromSavepoint',
  'jobmanager',
  'parallelism',
  'running',
  'savepointPath',
  'scheduled',
  'withSavepoint',
]);

/** The arguments with Flink's one-dash options as everybody else writes them. What follows `--` is the job's. */
export function withFlinkSpellings(given: readonly string[]): string[] {
  const end = given.indexOf('--');
  return given.map((argument, at) => {
    const isOurs = end === -1 || at < end;
    const [, name = '', rest = ''] = /^-([A-Za-z]+)(=.*)?$/s.exec(argument) ?? [];
    return isOurs && ONE_DASH.has(name) ? `--${name}${rest}` : argument;
  });
}
