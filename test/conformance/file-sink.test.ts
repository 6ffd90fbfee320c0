import { z } from 'zod';
import { fileSink, type FileSinkOptions } from '../../src/connectors/file/file-sink.ts';
import { findFiles } from '../../src/connectors/file/find-files.ts';
import { readFinishedValues } from '../../src/connectors/file/read-finished.ts';
import { parquetSink, type ParquetSinkOptions } from '../../src/connectors/file/parquet.ts';
import { decode } from '../support/parquet-rows.ts';
import { conformsAsSink, type NumberedValue, type SinkCase } from './sink.ts';

const PATH = '/data/out';

function sinkCase(options: Partial<FileSinkOptions<NumberedValue>> = {}): SinkCase {
  return {
    sink: () => fileSink<NumberedValue>({ path: PATH, format: 'json-lines', ...options }),
    visible: async (world) => (await readFinishedValues(world.fs, PATH)) as NumberedValue[],
    leftovers: async (world) => {
      const entries = await world.fs.list(`${PATH}/.in-progress/sink`);
      return entries.map(({ name }) => name);
    },
  };
}

conformsAsSink('the file sink', () => sinkCase());
conformsAsSink('the file sink with buckets, gzip and rolling', () =>
  sinkCase({
    compression: 'gzip',
    bucket: ({ n }) => (n % 4 === 0 ? '' : `a=${n % 3}`),
    rollBytes: 60,
    openFilesMax: 2,
  }),
);

const Numbered = z.object({ n: z.int32(), text: z.string() });

function parquetCase(options: Partial<ParquetSinkOptions<typeof Numbered>> = {}): SinkCase {
  return {
    ...sinkCase(),
    sink: () => parquetSink({ path: PATH, schema: Numbered, ...options }),
    visible: async (world) => {
      const files = await findFiles(world.fs, PATH, true);
      const rows: unknown[] = [];
      for (const file of files) rows.push(...(await decode(await world.fs.readFile(file))));
      return rows as NumberedValue[];
    },
  };
}

conformsAsSink('the Parquet sink', () => parquetCase());
conformsAsSink('the Parquet sink with buckets, rolling and little memory', () =>
  parquetCase({
    bucket: ({ n }) => (n % 4 === 0 ? '' : `a=${n % 3}`),
    compression: 'snappy',
    rollBytes: 200,
    openFilesMax: 3,
    rowGroupRows: 2,
    bufferBytesMax: 60,
  }),
);
