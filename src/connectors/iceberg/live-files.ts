/** All files that any snapshot of a table needs. */
import type { LoadedTable } from './catalog.ts';
import { entriesOf, manifestsOf } from './read-manifests.ts';
import { STATUS } from './manifest.ts';
import type { ManifestFile } from './manifest-list.ts';
import type { Snapshot } from './table-metadata.ts';
import { placeOf, type TableIo } from './table-io.ts';

/** By `placeOf`. */
export interface ListedManifests {
  readonly lists: ReadonlySet<string>;
  readonly manifests: ReadonlyMap<string, ManifestFile>;
}

/** @throws {EngineError} `ICE-007` (`corrupt`) if one is damaged or gone: nothing may be removed then. */
export async function listedManifests(
  io: TableIo,
  snapshots: readonly Snapshot[],
): Promise<ListedManifests> {
  const lists = new Set<string>();
  const manifests = new Map<string, ManifestFile>();
  for (const snapshot of snapshots) {
    for (const manifest of await manifestsOf(io, snapshot)) {
      manifests.set(placeOf(manifest.location), manifest);
    }
    if (snapshot['manifest-list'] !== undefined) {
      lists.add(placeOf(snapshot['manifest-list']));
    }
  }
  return { lists, manifests };
}

/**
 * By `placeOf`.
 *
 * @param isNeeded Which manifests have to be looked into; by default all.
 */
export async function liveDataFiles(
  io: TableIo,
  manifests: Iterable<ManifestFile>,
  isNeeded: (manifest: ManifestFile) => boolean = () => true,
): Promise<Set<string>> {
  const live = new Set<string>();
  for (const manifest of manifests) {
    if (!isNeeded(manifest)) continue;
    for (const { status, location } of await entriesOf(io, manifest)) {
      if (status !== STATUS.deleted) live.add(placeOf(location));
    }
  }
  return live;
}

export function snapshotsOf({ metadata }: LoadedTable): readonly Snapshot[] {
  return metadata.snapshots ?? [];
}
