/**
 * Names of transactions: `<prefix>/<uid>/<writer>/<n>`.
 *
 * Always holds: a name is used for one transaction in the whole life of a cluster. The writer is unique
 * per lineage, attempt and subtask, and n grows. So what the cluster says of a name tells, for as long as it
 * remembers it, whether that very transaction was committed. The price: decision 0029.
 */
export function transactionalIdOf(scope: string, writerId: string, n: number): string {
  return `${scope}${writerId}/${n}`;
}

/** What the names of all transactions of one sink begin with. */
export function scopeOf(prefix: string, uid: string): string {
  return `${prefix}/${encodeURIComponent(uid)}/`;
}

/** Who opened a transaction; undefined: none of this sink. */
export function writerOf(scope: string, transactionalId: string): string | undefined {
  if (!transactionalId.startsWith(scope)) return undefined;
  const rest = transactionalId.slice(scope.length);
  const slash = rest.lastIndexOf('/');
  return slash <= 0 || rest.indexOf('/') !== slash ? undefined : rest.slice(0, slash);
}
