/**
 * The health pipeline: two sensors are read, validated, written as vitals and summed up by the hour;
 * what is not valid goes to a dead letter queue with the reason and the place it came from.
 *
 *   npx tidemark run examples/health-pipeline.ts -- --rate 20000 --out out/health
 *
 * By default it reads the files beside it and writes Iceberg tables into a folder. With other settings
 * the same job reads topics of Kafka and writes to tables of a REST catalog:
 *
 *   HEALTH_SOURCE=kafka HEALTH_BROKERS=kafka:9092 HEALTH_CATALOG=http://catalog:8181 \
 *     npx tidemark run examples/health-pipeline.ts
 *
 * With `HEALTH_FEED=health.` what is written to the tables goes to the topics `health.vitals`,
 * `health.vitals_hourly` and `health.dlq` as well, exactly once for those who read committed records.
 * They have the time of their reading: `retention.ms` of these topics must be longer than that is ago.
 */
import {
  aggregate,
  days,
  defineJob,
  type FilePosition,
  files,
  fileSink,
  hours,
  monotonous,
  outputTag,
  rateLimited,
  setupCheckpointAndRecovery,
  type Sink,
  type Source,
  tumbling,
  valueState,
  type WindowResultContext,
} from 'tidemark';
import {
  day,
  hadoop,
  type IcebergRow,
  type IcebergSchema,
  icebergSchema,
  icebergSink,
  type PartitionBy,
  rest,
  t,
} from 'tidemark/iceberg';
import { fromJson, type KafkaDeserializer, kafkaSink, kafkaSource } from 'tidemark/kafka';
import { z } from 'zod';

const HealthSettings = z.object({
  cgm: z.string().default('examples/data/CGM.csv.gz').describe('readings of the glucose monitor'),
  bike: z.string().default('examples/data/cycling.csv.gz').describe('one bicycle ride'),
  rate: z.number().min(0).default(0).describe('rows per second of each input, 0 for no limit'),
  source: z
    .enum(['files', 'kafka'])
    .default('files')
    .describe('what is read: cgm and bike, or topics'),
  brokers: z.string().default('localhost:9092').describe('brokers of Kafka'),
  topics: z
    .string()
    .default('health.cgm,health.bike')
    .describe('topics of the monitor and of the bicycle, as JSON'),
  feed: z
    .string()
    .optional()
    .describe('what the names of topics begin with that get vitals, vitals_hourly and dlq as well'),
  group: z.string().default('health-pipeline').describe('consumer group that is told the offsets'),
  end: z
    .enum(['never', 'latest'])
    .default('never')
    .describe('where reading topics ends: never, or at what is there at the start'),
  sink: z.enum(['iceberg', 'files']).default('iceberg').describe('tables, or JSON lines in files'),
  out: z.string().default('out/health').describe('folder for vitals, vitals_hourly and dlq'),
  catalog: z
    .string()
    .optional()
    .describe('address of a REST catalog; default: the folder warehouse in out is one'),
  warehouse: z
    .string()
    .optional()
    .describe('folder or s3:// address of the tables, or which warehouse of the catalog'),
});
type HealthSettings = z.infer<typeof HealthSettings>;

const CgmRow = z.object({ isig: z.string(), datetime: z.string(), glucose: z.string() });
const BikeRow = z.object({
  power: z.string(),
  cadence: z.string(),
  speed: z.string(),
  time: z.string(),
});

/** One measurement with the place it was read at. `text` is what the file says. */
const Reading = z.object({
  deviceId: z.string(),
  metric: z.string(),
  value: z.number(),
  text: z.string(),
  at: z.number(),
  source: z.string(),
  row: z.number(),
});
type Reading = z.infer<typeof Reading>;

const METRICS: Readonly<Record<string, { unit: string; min: number; max: number }>> = {
  glucose: { unit: 'mg/dL', min: 40, max: 400 },
  isig: { unit: 'nA', min: 0, max: 100 },
  power: { unit: 'W', min: 0, max: 2000 },
  cadence: { unit: 'rpm', min: 0, max: 250 },
  speed: { unit: 'm/s', min: 0, max: 40 },
};
const RIDE_STARTS_MS = Date.UTC(2010, 4, 1, 8);

/** A row of either file: when, where, and its measurements as text. */
interface Row {
  readonly deviceId: string;
  readonly at: number;
  readonly source: string;
  readonly row: number;
  readonly texts: Readonly<Record<string, string>>;
}

function cgmRow({ glucose, isig, datetime }: z.infer<typeof CgmRow>, place: FilePosition): Row {
  const at = Date.parse(`${datetime.replace(' ', 'T')}Z`);
  return { deviceId: 'cgm-1', at, ...placeOf(place), texts: { glucose, isig } };
}

function bikeRow(row: z.infer<typeof BikeRow>, place: FilePosition): Row {
  const { power, cadence, speed, time } = row;
  const [days = 0, h = 0, m = 0, s = 0] = (time.match(/\d+/g) ?? []).map(Number);
  const at = RIDE_STARTS_MS + (((days * 24 + h) * 60 + m) * 60 + s) * 1000;
  return { deviceId: 'bike-1', at, ...placeOf(place), texts: { power, cadence, speed } };
}

/** In a topic, the first record is row 1. */
function fromTopic<R>(
  read: KafkaDeserializer<R>,
  rowOf: (value: R, place: FilePosition) => Row,
): KafkaDeserializer<Row> {
  return (record) => {
    const value = read(record);
    if (value === undefined) return undefined;
    const { topic, partition, offset } = record;
    return rowOf(value, { file: `${topic}-${partition}`, row: offset + 1 });
  };
}

function placeOf({ file, row }: FilePosition): { source: string; row: number } {
  return { source: file.slice(file.lastIndexOf('/') + 1), row };
}

function problemOf({ metric, value }: Reading): string | undefined {
  const range = METRICS[metric];
  if (!Number.isFinite(value)) return 'not-finite';
  if (range === undefined || value < range.min || value > range.max) return 'out-of-range';
  return undefined;
}

const iso = (ms: number): string => new Date(ms).toISOString();

const rejected = outputTag('rejected', Reading.extend({ reason: z.string() }));
const seen = valueState('seen', z.boolean(), { ttlMs: days(400) });

// The sensors give three decimals at the most. Whole thousandths add up to the same sum in any order.
const summary = aggregate(
  {
    accumulator: z.object({
      count: z.number(),
      thousandths: z.number(),
      min: z.number(),
      max: z.number(),
    }),
    createAccumulator: () => ({ count: 0, thousandths: 0, min: Infinity, max: -Infinity }),
    add: (a, { value }: Reading) => ({
      count: a.count + 1,
      thousandths: a.thousandths + Math.round(value * 1000),
      min: Math.min(a.min, value),
      max: Math.max(a.max, value),
    }),
    getResult: ({ count, thousandths, min, max }) => ({
      count,
      min,
      max,
      mean: thousandths / (count * 1000),
    }),
  },
  (result, { key, window }: WindowResultContext<readonly [string, string]>) => ({
    deviceId: key[0],
    metric: key[1],
    windowStart: iso(window.start),
    windowEnd: iso(window.end),
    ...result,
  }),
);

const VITALS = icebergSchema({
  deviceId: t.string(),
  metric: t.string(),
  value: t.double(),
  unit: t.string().optional(),
  ts: t.timestamptz(),
});
const VITALS_HOURLY = icebergSchema({
  deviceId: t.string(),
  metric: t.string(),
  windowStart: t.timestamptz(),
  windowEnd: t.timestamptz(),
  count: t.long(),
  min: t.double(),
  max: t.double(),
  mean: t.double(),
});
const DLQ = icebergSchema({
  reason: t.string(),
  source: t.string(),
  row: t.long(),
  record: t.struct({
    deviceId: t.string(),
    metric: t.string(),
    value: t.string(),
    unit: t.string().optional(),
    ts: t.timestamptz(),
  }),
});

/** The rows of both sensors. */
function sourcesOf(settings: HealthSettings): { cgm: Source<Row>; bike: Source<Row> } {
  if (settings.source === 'files') {
    return {
      cgm: files(settings.cgm, CgmRow, { position: cgmRow }),
      bike: files(settings.bike, BikeRow, { position: bikeRow }),
    };
  }
  const [cgmTopic = '', bikeTopic = ''] = settings.topics.split(',');
  const topic = (name: string, deserializer: KafkaDeserializer<Row>): Source<Row> =>
    kafkaSource({
      brokers: settings.brokers,
      topics: [name],
      groupId: settings.group,
      deserializer,
      ...(settings.end === 'latest' && { bounded: settings.end }),
    });
  return {
    cgm: topic(cgmTopic, fromTopic(fromJson(CgmRow), cgmRow)),
    bike: topic(bikeTopic, fromTopic(fromJson(BikeRow), bikeRow)),
  };
}

type Output = <S extends IcebergSchema>(
  name: string,
  schema: S,
  partitionBy?: readonly PartitionBy[],
) => Sink<IcebergRow<S>>;

/** Tables of the namespace `health`, or folders with JSON lines. */
function outputsOf({ sink, out, catalog: uri, warehouse }: HealthSettings): Output {
  if (sink === 'files') return (name) => fileSink({ path: `${out}/${name}`, format: 'json-lines' });
  const catalog =
    uri === undefined
      ? hadoop({ warehouse: warehouse ?? `${out}/warehouse` })
      : rest({ uri, ...(warehouse !== undefined && { warehouse }) });
  return (name, schema, partitionBy = []) =>
    icebergSink({ catalog, table: `health.${name}`, schema, partitionBy });
}

export default defineJob('health-pipeline', { settings: HealthSettings }, (env, given) => {
  const { settings, flink } = given;
  setupCheckpointAndRecovery(env, flink);
  const limited = <T, S, E>(source: Source<T, S, E>): Source<T, S, E> =>
    settings.rate === 0 ? source : rateLimited(source, settings.rate);
  const output = outputsOf(settings);
  const { cgm, bike } = sourcesOf(settings);

  // Each file has watermarks of its own and none is ever idle: however the two are read, none of
  // their rows can be late. One subtask reads a file and takes it apart, so that its rows stay in order
  // and the first of two with the same time is the one that counts.
  const readings = env
    .fromSource(
      'cgm',
      limited(cgm),
      monotonous((row) => row.at),
    )
    .setParallelism(1)
    .union(
      env
        .fromSource(
          'bike',
          limited(bike),
          monotonous((row) => row.at),
        )
        .setParallelism(1),
    )
    .flatMap('explode', Reading, ({ texts, ...row }, out) => {
      for (const [metric, text] of Object.entries(texts)) {
        out.emit({ ...row, metric, text, value: text === '' ? NaN : Number(text) });
      }
    })
    .setParallelism(1);

  const valid = readings
    .keyBy((r) => [r.deviceId, r.metric, r.at] as const)
    .process('validate', { seen }, (reading, { state, out, side }) => {
      const reason = problemOf(reading) ?? (state.seen.value() ? 'duplicate' : undefined);
      if (reason !== undefined) {
        side(rejected, { ...reading, reason });
        return;
      }
      state.seen.update(true);
      out.emit(reading);
    });

  const vitals = valid.map('to-vital', ({ deviceId, metric, value, at }) => ({
    deviceId,
    metric,
    value,
    unit: METRICS[metric]?.unit,
    ts: iso(at),
  }));
  const letters = valid
    .sideOutput(rejected)
    .map('to-letter', ({ reason, source, row, deviceId, metric, text, at }) => ({
      reason,
      source,
      row,
      record: { deviceId, metric, value: text, unit: METRICS[metric]?.unit, ts: iso(at) },
    }));
  const hourly = valid
    .keyBy((r) => [r.deviceId, r.metric] as const)
    .window('hourly', tumbling(hours(1)), summary);

  vitals.sinkTo('vitals', output('vitals', VITALS, [day('ts')]));
  letters.sinkTo('dlq', output('dlq', DLQ));
  hourly.sinkTo('vitals_hourly', output('vitals_hourly', VITALS_HOURLY));

  const { feed, brokers } = settings;
  if (feed === undefined) return;
  const topic = (name: string): Sink<unknown> =>
    kafkaSink({ brokers, topic: `${feed}${name}`, delivery: 'exactly-once' });
  vitals.sinkTo('vitals-feed', topic('vitals'));
  letters.sinkTo('dlq-feed', topic('dlq'));
  hourly.sinkTo('vitals_hourly-feed', topic('vitals_hourly'));
});
