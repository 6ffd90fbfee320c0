/** Reads Parquet with every type there is and writes it again. */
import { defineJob } from 'tidemark';
import { parquetFiles, parquetSink } from 'tidemark/parquet';
import { z } from 'zod';

const TypesSettings = z.object({ input: z.string(), out: z.string() });

const bytes = z.instanceof(Uint8Array);
const Row = z.object({
  i: z.int32().nullable(),
  small: z.int32(),
  big: z.bigint(),
  float: z.number().nullable(),
  double: z.number().nullable(),
  flag: z.boolean().nullable(),
  text: z.string().nullable(),
  bytes: bytes.nullable(),
  ms: z.date().nullable(),
  us: z.bigint().nullable(),
  ns: z.date().nullable(),
  day: z.date().nullable(),
  money: z.number().nullable(),
  list: z.array(z.int32().nullable()).nullable(),
  nested: z.object({ a: z.bigint().nullable(), b: z.array(z.string()).nullable() }).nullable(),
  map: z.record(z.string(), z.int32().nullable()).nullable(),
});

export default defineJob('parquet-types', { settings: TypesSettings }, (env, { settings }) => {
  env
    .fromSource('rows', parquetFiles(settings.input, Row))
    .sinkTo(
      'rows-again',
      parquetSink({ path: settings.out, schema: Row, types: { us: 'timestamp-micros' } }),
    );
});
