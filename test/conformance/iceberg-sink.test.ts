import { z } from 'zod';
import { hadoop, icebergSink, truncate } from '../../src/connectors/iceberg/index.ts';
import type { IcebergSinkOptions } from '../../src/connectors/iceberg/index.ts';
import { orphansOf, rowsOf } from '../support/iceberg-rows.ts';
import { conformsAsSink, type NumberedValue, type SinkCase } from './sink.ts';

const Numbered = z.object({ n: z.int32(), text: z.string() });
const warehouse = '/lake';
const table = 'db.numbers';

function sinkCase(
  options: Partial<IcebergSinkOptions<NumberedValue, typeof Numbered>> = {},
): SinkCase {
  return {
    sink: () =>
      icebergSink({ catalog: hadoop({ warehouse }), table, schema: Numbered, ...options }),
    visible: async (world) => (await rowsOf(world, warehouse, table)) as NumberedValue[],
    leftovers: async (world) => {
      const orphans = await orphansOf(world, warehouse, table);
      // A list whose commit was lost with its process is not a writer's.
      return orphans.filter((location) => !/\/(snap-[^/]*|[^/]*-merged)\.avro$/.test(location));
    },
  };
}

conformsAsSink('the Iceberg sink', () => sinkCase(), 2);
conformsAsSink(
  'the Iceberg sink with partitions, small files and merged manifests',
  () =>
    sinkCase({
      partitionBy: [truncate('n', 5)],
      compression: 'none',
      targetFileSizeBytes: 1,
      openFilesMax: 2,
      rowGroupRows: 2,
      properties: {
        'commit.manifest.min-count-to-merge': '2',
        'write.metadata.delete-after-commit.enabled': 'true',
        'write.metadata.previous-versions-max': '1',
      },
    }),
  7,
);
