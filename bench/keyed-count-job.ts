/**
 * The job of the benchmark `keyed-count`: generator, map, timestamps, keyBy, a count per key in
 * ValueState, a sink. A module of its own, so that slots can import it.
 */
import { z } from 'zod';
import { defineJob } from '../src/api/job-definition.ts';
import { valueState } from '../src/api/state-descriptors.ts';
import { monotonous } from '../src/api/watermarks.ts';
import { generate } from '../src/connectors/generator/generator-source.ts';
import type { Sink } from '../src/contracts/sink.ts';
import { serializerOf } from '../src/serde/structural-serializer.ts';

const KeyedCountSettings = z.object({
  keys: z.number(),
  /** Turns of `work` per record. */
  workLoops: z.number().default(0),
});

export type KeyedCountSettings = z.infer<typeof KeyedCountSettings>;

export interface Reading {
  readonly key: number;
  readonly value: number;
  readonly ts: number;
}

export interface Count {
  readonly key: number;
  readonly count: number;
}

const countSchema = serializerOf({
  kind: 'object',
  fields: [
    { name: 'key', type: { kind: 'float64' } },
    { name: 'count', type: { kind: 'float64' } },
  ],
});

/** Keys that come in no order, the same ones on all sides. */
export function mix(i: number): number {
  let z = (i + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

/** Stands for what a user's function does: calculates for `loops` turns. */
export function work(seed: number, loops: number): number {
  let x = seed;
  for (let i = 0; i < loops; i++) x = (Math.imul(x, 1664525) + 1013904223) ^ (x >>> 15);
  return x;
}

/** Counts what comes out, and keeps the last so that it has to be made. */
export class Counter {
  written = 0;
  last: Count | undefined = undefined;
  worked = 0;

  write(count: Count): void {
    this.written++;
    this.last = count;
  }
}

function countingSink(): Sink<Count> {
  return {
    kind: 'count',
    committables: undefined,
    writer: () => {
      const counter = new Counter();
      return {
        write: (count) => {
          counter.write(count);
        },
        prepareCommit: async () => [],
        close: async () => undefined,
      };
    },
  };
}

export default defineJob(
  'keyed-count',
  { settings: KeyedCountSettings },
  (env, { settings: { keys, workLoops } }) => {
    const seen = valueState('count', serializerOf({ kind: 'float64' }));
    const counter = new Counter();
    env
      .fromSource(
        'numbers',
        generate(Infinity, (i) => i),
      )
      .map('reading', (i): Reading => ({ key: mix(i) % keys, value: i, ts: Date.now() }))
      .assignTimestampsAndWatermarks(
        'time',
        monotonous<Reading>((reading) => reading.ts),
      )
      .keyBy((reading) => reading.key)
      .process('count', { seen }, countSchema, (reading, { state, out }) => {
        if (workLoops > 0) counter.worked = work(reading.value, workLoops);
        const count = (state.seen.value() ?? 0) + 1;
        state.seen.update(count);
        out.emit({ key: reading.key, count });
      })
      .sinkTo('counted', countingSink());
  },
);
