/** Files of dead attempts that no checkpoint has brought into the table, and none will. */
import { listedManifests, liveDataFiles, snapshotsOf } from './live-files.ts';
import type { CommitTarget } from './table-commit.ts';
import { placeOf } from './table-io.ts';
import { writerOf } from './table-layout.ts';

/**
 * Removes data files and manifests of writers of which `isLeftover` says that they are dead, unless a
 * snapshot of the table needs them. Call it when all that is to be committed is committed.
 *
 * @returns how many files were removed.
 */
export async function removeLeftovers(
  { catalog, table: name }: CommitTarget,
  uid: string,
  isLeftover: (writerId: string) => boolean,
): Promise<number> {
  const table = await catalog.load(name);
  if (table === undefined) return 0;
  const { io, metadata } = table;
  const isDead = (location: string): boolean => {
    const writer = writerOf(location, uid);
    return writer !== undefined && isLeftover(writer);
  };
  const found = { data: [] as string[], metadata: [] as string[] };
  for (const folder of ['data', 'metadata'] as const) {
    for await (const { location } of io.list(`${metadata.location}/${folder}`)) {
      if (isDead(location)) found[folder].push(location);
    }
  }
  if (found.data.length + found.metadata.length === 0) return 0;
  const { manifests } = await listedManifests(io, snapshotsOf(table));
  // A live writer's manifest holds no dead one's files; merged ones, and those of others, may.
  const live = await liveDataFiles(io, manifests.values(), ({ location }) => {
    return writerOf(location, uid) === undefined || isDead(location);
  });
  const gone = [
    ...found.data.filter((location) => !live.has(placeOf(location))),
    ...found.metadata.filter((location) => !manifests.has(placeOf(location))),
  ];
  if (gone.length > 0) await io.delete(gone);
  return gone.length;
}
