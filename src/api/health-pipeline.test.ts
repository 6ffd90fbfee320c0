import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { OutputTag } from '../contracts/output.ts';
import type { Sink } from '../contracts/sink.ts';
import type { Source } from '../contracts/source.ts';
import { buildJobGraph } from '../graph/build-job-graph.ts';
import { defaultSettings } from '../settings/parse-settings.ts';
import type { DataStream, KeyedStream } from './data-stream.ts';
import { days, hours } from './durations.ts';
import { elementsSource } from './elements-source.ts';
import { defineJob } from './job-definition.ts';
import { outputTag } from './output-tag.ts';
import { setupCheckpointAndRecovery } from './setup.ts';
import { valueState } from './state-descriptors.ts';
import { monotonous } from './watermarks.ts';
import { aggregate } from './window-functions.ts';
import { tumbling } from './windows.ts';
import type { AnySchema, InferOutput } from './schemas.ts';

/* The job of the README, as a user writes it: no type argument, no `any`. */

const CgmRow = z.object({ at: z.number(), glucose: z.string() });
const BikeRow = z.object({ at: z.number(), power: z.string() });
const Reading = z.object({
  deviceId: z.string(),
  metric: z.string(),
  ts: z.number(),
  value: z.number(),
});
type Reading = z.infer<typeof Reading>;
const Rejected = Reading.extend({ reason: z.string() });

const rejected = outputTag('rejected', Rejected);
const seen = valueState('seen', z.boolean(), { ttlMs: days(400) });

const summary = aggregate({
  accumulator: z.object({ sum: z.number(), count: z.number() }),
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (a, reading: Reading) => ({ sum: a.sum + reading.value, count: a.count + 1 }),
  getResult: (a) => a.sum / a.count,
});

const HealthSettings = z.object({
  cgm: z.string(),
  bike: z.string(),
  out: z.string(),
  rate: z.number().default(0),
});

/** As a connector declares it. */
function files<S extends AnySchema>(
  _path: string,
  _schema: S,
): Source<InferOutput<S>, number, boolean> {
  return elementsSource<InferOutput<S>>(0, () => undefined as never);
}

function sinkOf<T>(): Sink<T, string> {
  return {
    kind: 'test',
    committables: undefined,
    writer: () => ({
      write: () => undefined,
      prepareCommit: async () => [],
      close: async () => undefined,
    }),
  };
}

function toReadings(row: z.infer<typeof CgmRow> | z.infer<typeof BikeRow>): Reading[] {
  return [{ deviceId: 'a', metric: 'glucose', ts: row.at, value: 1 }];
}

const problemOf = (r: Reading) => (r.value < 0 ? 'negative' : undefined);

const job = defineJob(
  'health-pipeline',
  { settings: HealthSettings },
  (env, { settings, flink }) => {
    expectTypeOf(settings).toEqualTypeOf<{
      cgm: string;
      bike: string;
      out: string;
      rate: number;
    }>();
    setupCheckpointAndRecovery(env, flink);
    const readings = env
      .fromSource(
        'cgm',
        files(settings.cgm, CgmRow),
        monotonous((row) => row.at),
      )
      .map('cgm-row', (row) => ({ at: row.at, text: row.glucose }))
      .union(
        env
          .fromSource(
            'bike',
            files(settings.bike, BikeRow),
            monotonous((row) => row.at),
          )
          .map('bike-row', (row) => ({ at: row.at, text: row.power })),
      )
      .flatMap('explode', Reading, (row, out) => {
        expectTypeOf(row).toEqualTypeOf<{ at: number; text: string }>();
        for (const reading of toReadings({ at: row.at, power: row.text })) out.emit(reading);
      });
    expectTypeOf(readings).toEqualTypeOf<DataStream<Reading>>();

    const valid = readings
      .keyBy((r) => [r.deviceId, r.metric, r.ts] as const)
      .process('validate', { seen }, (r, { state, out, side, key }) => {
        expectTypeOf(key).toEqualTypeOf<readonly [string, string, number]>();
        const reason = problemOf(r) ?? (state.seen.value() ? 'duplicate' : undefined);
        // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- as users write it.
        if (reason) return side(rejected, { ...r, reason });
        state.seen.update(true);
        out.emit(r);
      });
    expectTypeOf(valid).toEqualTypeOf<DataStream<Reading>>();
    valid.sinkTo('vitals', sinkOf<Reading>());
    valid.sideOutput(rejected).sinkTo('dlq', sinkOf<z.infer<typeof Rejected>>());

    const keyed = valid.keyBy((r) => [r.deviceId, r.metric]);
    expectTypeOf(keyed).toEqualTypeOf<KeyedStream<Reading, readonly [string, string]>>();
    const means = keyed.window('hourly', tumbling(hours(1)), summary);
    expectTypeOf(means).toEqualTypeOf<DataStream<number>>();
    means.sinkTo('vitals_hourly', sinkOf<number>());

    const inline = keyed.window(
      'inline',
      tumbling(hours(1)),
      aggregate(
        {
          accumulator: z.object({ sum: z.number(), count: z.number() }),
          createAccumulator: () => ({ sum: 0, count: 0 }),
          add: (a, reading) => ({ sum: a.sum + reading.value, count: a.count + 1 }),
          getResult: (a) => a.sum / a.count,
        },
        (mean, { key: [device], window }) => ({ hour: window.start, device, mean }),
      ),
    );
    expectTypeOf(inline).toEqualTypeOf<
      DataStream<{ hour: number; device: string; mean: number }>
    >();
  },
);

describe('the health pipeline', () => {
  it('becomes three vertices and a region', () => {
    expectTypeOf(rejected).toEqualTypeOf<OutputTag<z.infer<typeof Rejected>>>();
    const { graph, config } = job.build(
      { cgm: 'a', bike: 'b', out: 'c', rate: 0 },
      defaultSettings(),
    );
    expect(config.externalizedCheckpointRetention).toBe('RETAIN_ON_CANCELLATION');
    const { vertices, regions } = buildJobGraph(graph, config);
    expect(vertices.map(({ name, inputs }) => [name, inputs.map((edge) => edge.id)]))
      .toMatchInlineSnapshot(`
      [
        [
          "cgm -> cgm-row",
          [],
        ],
        [
          "bike -> bike-row",
          [],
        ],
        [
          "explode",
          [
            "cgm-row->explode#0",
            "bike-row->explode#0",
          ],
        ],
        [
          "validate -> vitals -> dlq",
          [
            "explode->validate#0",
          ],
        ],
        [
          "hourly -> vitals_hourly",
          [
            "validate->hourly#0",
          ],
        ],
        [
          "inline",
          [
            "validate->inline#0",
          ],
        ],
      ]
    `);
    expect(regions).toHaveLength(1);
  });
});
