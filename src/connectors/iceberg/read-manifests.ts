/** Manifest lists and manifests of a table, as they are stored. */
import { corruptTable } from './errors.ts';
import { type ManifestEntry, readManifest } from './manifest.ts';
import { decodeManifestList, type ManifestFile } from './manifest-list.ts';
import type { TableIo } from './table-io.ts';
import type { Snapshot } from './table-metadata.ts';

/** @throws {EngineError} `ICE-007` (`corrupt`). */
export async function manifestsOf(io: TableIo, snapshot: Snapshot): Promise<ManifestFile[]> {
  const list = snapshot['manifest-list'];
  if (list === undefined) {
    throw corruptTable(io.root, `the snapshot ${snapshot['snapshot-id']} has no manifest list`);
  }
  const bytes = await io.read(list);
  if (bytes === undefined) throw corruptTable(list, 'it is not there');
  return decodeManifestList(bytes, list);
}

/** @throws {EngineError} `ICE-007` (`corrupt`). */
export async function entriesOf(io: TableIo, manifest: ManifestFile): Promise<ManifestEntry[]> {
  const { location, sizeBytes, addedSnapshotId, sequenceNumber } = manifest;
  const bytes = await io.read(location);
  if (bytes === undefined) throw corruptTable(location, 'it is not there');
  // One that is cut between its blocks would be read as one with fewer files.
  if (BigInt(bytes.length) !== sizeBytes) {
    throw corruptTable(location, `it has ${bytes.length} bytes and not ${sizeBytes}`);
  }
  return readManifest(bytes, location, { snapshotId: addedSnapshotId, sequenceNumber });
}
