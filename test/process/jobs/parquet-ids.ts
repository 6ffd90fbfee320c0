/** Copies rows of Parquet files to JSON lines. */
import { defineJob, fileSink } from 'tidemark';
import { parquetFiles } from 'tidemark/parquet';
import { z } from 'zod';

const IdsSettings = z.object({ input: z.string(), out: z.string() });
const Row = z.object({ id: z.number(), name: z.string() });

export default defineJob('parquet-ids', { settings: IdsSettings }, (env, { settings }) => {
  env
    .fromSource('rows', parquetFiles(settings.input, Row))
    .sinkTo('copy', fileSink({ path: settings.out, format: 'json-lines' }));
});
