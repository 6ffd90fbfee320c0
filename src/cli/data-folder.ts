import path from 'node:path';

/** Data folder of the service: `--data`, else `TIDEMARK_HOME`, else `.tidemark` in the user's home. */
export function dataFolder({ data }: { readonly data?: string }): string {
  const home = process.env['TIDEMARK_HOME'] ?? '';
  const user = process.env['HOME'] ?? '.';
  return path.resolve(data ?? (home === '' ? path.join(user, '.tidemark') : home));
}
