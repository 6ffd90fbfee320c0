/** What is in an Iceberg table, read through its files as a reader of another make would. */
import type { LoadedTable } from '../../src/connectors/iceberg/catalog.ts';
import { hadoop } from '../../src/connectors/iceberg/hadoop-catalog.ts';
import { tableName } from '../../src/connectors/iceberg/table-name.ts';
import { liveDataFiles, listedManifests } from '../../src/connectors/iceberg/live-files.ts';
import { placeOf } from '../../src/connectors/iceberg/table-io.ts';
import { currentSnapshot } from '../../src/connectors/iceberg/table-metadata.ts';
import type { World } from '../../src/contracts/source.ts';
import { decode } from './parquet-rows.ts';

/** The rows of the current snapshot; none if there is no table. */
export async function rowsOf(world: World, warehouse: string, name: string): Promise<unknown[]> {
  const table = await hadoop({ warehouse }).connect(world).load(tableName(name));
  return table === undefined ? [] : rowsOfTable(table);
}

export async function rowsOfTable({ metadata, io }: LoadedTable): Promise<unknown[]> {
  const snapshot = currentSnapshot(metadata);
  if (snapshot === undefined) return [];
  const { manifests } = await listedManifests(io, [snapshot]);
  const rows: unknown[] = [];
  for (const location of await liveDataFiles(io, manifests.values())) {
    const bytes = await io.read(location);
    if (bytes === undefined) throw new TypeError(`${location} is not there`);
    rows.push(...(await decode(bytes)));
  }
  return rows;
}

/** Files of the table that no snapshot needs. */
export async function orphansOf(world: World, warehouse: string, name: string): Promise<string[]> {
  const table = await hadoop({ warehouse }).connect(world).load(tableName(name));
  if (table === undefined) return [];
  const { metadata, io } = table;
  const { lists, manifests } = await listedManifests(io, metadata.snapshots ?? []);
  const live = await liveDataFiles(io, manifests.values());
  const orphans: string[] = [];
  for await (const { location } of io.list(metadata.location)) {
    const place = placeOf(location);
    const isKnown = lists.has(place) || manifests.has(place) || live.has(place);
    if (!isKnown && /\.(parquet|avro)$/.test(location)) orphans.push(location);
  }
  return orphans;
}
