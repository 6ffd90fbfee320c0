/** What is in an Iceberg table, read through its files and by another library than wrote them. */
import { parquetReadObjects } from 'hyparquet';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemClock } from '../../src/common/clock.ts';
import { systemRandom } from '../../src/common/random.ts';
import { hadoop } from '../../src/connectors/iceberg/hadoop-catalog.ts';
import { listedManifests, liveDataFiles } from '../../src/connectors/iceberg/live-files.ts';
import { currentSnapshot } from '../../src/connectors/iceberg/table-metadata.ts';
import { tableName } from '../../src/connectors/iceberg/table-name.ts';
import { decompressors } from '../../src/formats/parquet/codecs.ts';

const WORLD = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };

/** The rows of the current snapshot, with times as ISO 8601; none if there is no table. */
export async function tableRows(warehouse: string, name: string): Promise<unknown[]> {
  const table = await hadoop({ warehouse }).connect(WORLD).load(tableName(name));
  const snapshot = table && currentSnapshot(table.metadata);
  if (table === undefined || snapshot === undefined) return [];
  const { manifests } = await listedManifests(table.io, [snapshot]);
  const rows: unknown[] = [];
  for (const location of await liveDataFiles(table.io, manifests.values())) {
    const bytes = await table.io.read(location);
    if (bytes === undefined) throw new TypeError(`${location} is not there`);
    const buffer = new Uint8Array(bytes).buffer;
    const file = {
      byteLength: buffer.byteLength,
      slice: (start: number, end?: number) => buffer.slice(start, end),
    };
    for (const row of await parquetReadObjects({ file, compressors: decompressors })) {
      rows.push(plain(row));
    }
  }
  return rows;
}

/** As JSON has it. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}
