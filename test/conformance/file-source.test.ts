import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import { files } from '../../src/connectors/file/file-source.ts';
import { parquetFiles } from '../../src/connectors/file/parquet.ts';
import type { World } from '../../src/contracts/source.ts';
import { typeSchemaFrom } from '../../src/serde/schema-structure.ts';
import { encode } from '../support/parquet-rows.ts';
import { conformsAsSource } from './source.ts';

const Row = z.object({ id: z.coerce.number(), text: z.string() });

function rowsOf(file: number, count: number): z.output<typeof Row>[] {
  return Array.from({ length: count }, (_, index) => ({
    id: file * 1_000 + index,
    text: index % 3 === 0 ? `line\n"${index}", é` : `plain ${index}`,
  }));
}

function csv(rows: readonly z.output<typeof Row>[]): string {
  const lines = rows.map(({ id, text }) => `${id},"${text.replaceAll('"', '""')}"`);
  return ['id,text', ...lines].join('\r\n');
}

async function write(world: World, path: string, bytes: Uint8Array | string): Promise<void> {
  await world.fs.makeFolder(path.slice(0, path.lastIndexOf('/')));
  const file = await world.fs.openWrite(path, 'create');
  await file.write(Buffer.from(bytes as string));
  await file.close();
}

// Compressed beforehand: Node's zlib belongs to the real world.
const SECOND_FILE = gzipSync(csv(rowsOf(2, 9)));
const ONE_FILE = gzipSync(csv(rowsOf(1, 20)));

conformsAsSource('a folder of files of all kinds', () => ({
  async prepare(world) {
    await write(world, '/in/1.csv', csv(rowsOf(1, 12)));
    await write(world, '/in/deep/2.csv.gz', SECOND_FILE);
    const lines = rowsOf(3, 8).map((row) => JSON.stringify(row));
    await write(world, '/in/3.jsonl', lines.join('\n'));
    await write(world, '/in/4.csv', 'id,text\n');
    await write(world, '/in/5.ndjson', '');
    await write(world, '/in/_hidden.csv', 'not to be read');
  },
  source: () => files('/in', Row),
  expected: [...rowsOf(1, 12), ...rowsOf(2, 9), ...rowsOf(3, 8)],
}));

conformsAsSource('one gzip file', () => ({
  prepare: (world) => write(world, '/in/one.csv.gz', ONE_FILE),
  source: () => files('/in/one.csv.gz', Row),
  expected: rowsOf(1, 20),
}));

const ParquetRow = z.object({ id: z.int32(), text: z.string() });

function parquet(rows: readonly z.output<typeof ParquetRow>[], groupRows: number): Uint8Array {
  return encode(typeSchemaFrom(ParquetRow), rows, { groupRows });
}

conformsAsSource('a folder of Parquet files', () => ({
  async prepare(world) {
    await write(world, '/in/1.parquet', parquet(rowsOf(1, 14), 4));
    await write(world, '/in/deep/2.parquet', parquet(rowsOf(2, 9), 100));
    await write(world, '/in/3.parquet', parquet([], 1));
  },
  source: () => parquetFiles('/in', ParquetRow),
  expected: [...rowsOf(1, 14), ...rowsOf(2, 9)],
}));
