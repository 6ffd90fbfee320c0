import { fileSink, type FileSinkOptions } from '../../src/connectors/file/file-sink.ts';
import { readFinishedValues } from '../../src/connectors/file/read-finished.ts';
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
