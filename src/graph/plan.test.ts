import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { valueState, mapState } from '../api/state-descriptors.ts';
import { days, hours, minutes, seconds } from '../api/durations.ts';
import { defineJob } from '../api/job-definition.ts';
import { outputTag } from '../api/output-tag.ts';
import { boundedOutOfOrderness } from '../api/watermarks.ts';
import { aggregate, processWindow } from '../api/window-functions.ts';
import { countTrigger, purging } from '../api/triggers.ts';
import { globalWindow, tumbling } from '../api/windows.ts';
import type { Sink } from '../contracts/sink.ts';
import { defaultSettings } from '../settings/parse-settings.ts';
import { buildJobGraph } from './build-job-graph.ts';
import { describePlan } from './describe-plan.ts';
import { planHash, planOf } from './plan.ts';

const Reading = z.object({ device: z.string(), at: z.number(), value: z.number() });
const late = outputTag('late', Reading);

interface Variant {
  readonly seen?: z.ZodType;
  readonly size?: number;
  readonly tooBig?: number;
}

function jobOf({ seen = z.boolean(), size = hours(1), tooBig = 100 }: Variant = {}) {
  const printed: Sink<unknown> = {
    kind: 'print',
    committables: undefined,
    writer: () => ({
      write: () => undefined,
      prepareCommit: async () => [],
      close: async () => undefined,
    }),
  };
  return defineJob('plan-test', (env) => {
    env.setParallelism(2);
    const rules = env.fromElements('rules', [{ device: 'a', least: 1 }]);
    const valid = env
      .fromElements('readings', [{ device: 'a', at: 0, value: 1 }], {
        ...boundedOutOfOrderness((r: z.infer<typeof Reading>) => r.at, seconds(5)),
        idlenessMs: minutes(1),
      })
      .filter('small', (r) => r.value < tooBig)
      .keyBy((r) => r.device)
      .connect(rules.broadcast({ rules: mapState('rules', z.string(), z.number()) }))
      .process('validate', { seen: valueState('seen', seen, { ttlMs: days(400) }) }, Reading, {
        processElement: (r, { out }) => out.emit(r),
        processBroadcastElement: (r, { broadcast }) => broadcast.rules.put(r.device, r.least),
      });
    const hourly = valid
      .keyBy((r) => r.device)
      .window(
        'hourly',
        tumbling(size),
        aggregate({
          accumulator: z.number(),
          createAccumulator: () => 0,
          add: (sum, r) => sum + r.value,
          getResult: (sum) => sum,
        }),
        { allowedLatenessMs: minutes(5), lateData: late },
      );
    hourly.sinkTo('out', printed);
    hourly.sideOutput(late).sinkTo('late-out', printed);
    valid
      .keyBy((r) => r.device)
      .window(
        'batches',
        globalWindow(),
        processWindow(Reading, (all, { out }) => all.forEach((r) => out.emit(r))),
        {
          trigger: purging(countTrigger(3)),
        },
      )
      .asyncMap('ask', Reading, async (r) => r.value, { capacity: 7 });
  });
}

function planFor(variant?: Variant, settings?: Readonly<Record<string, string | number>>) {
  const { graph, config } = jobOf(variant).build(undefined, defaultSettings());
  return planOf(buildJobGraph(graph, config), settings);
}

describe('a plan', () => {
  it('is JSON, and reads as a tree', () => {
    const plan = planFor({}, { 'state.backend.type': 'hashmap' });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(describePlan(plan).replace(plan.hash.slice(0, 12), '<hash>')).toMatchInlineSnapshot(`
      "Job plan-test  (plan <hash>, max parallelism 1024)

      rules  × 1
        rules  source elements, bounded, no event time

      readings  × 1
        readings  source elements, bounded, out of order by 5 s, idle after 1 min

      small  × 2
        ◄─rebalance─ readings
        small  filter

      validate  × 2
        ◄─hash─ small
        ◄─broadcast(2)─ rules
        validate  keyed-broadcast-process
           state rules (broadcast)
           state seen (value, ttl 400 d)

      hourly  × 2
        ◄─hash─ validate
        hourly  tumbling window of 1 h (event-time), aggregate, lateness 5 min, late to late
        │  state window-contents (aggregating)
        ├─ out  sink print
        └─ (late) late-out  sink print

      batches  × 2
        ◄─hash─ validate
        batches  global window, process, trigger purging count of 3
           state window-contents (list)

      ask  × 2
        ◄─forward─ batches
        ask  async-map, ordered, capacity 7

      1 region: a failure restarts all of it

      Settings
        state.backend.type: hashmap"
    `);
  });

  it('holds the schemas of all declared state', () => {
    const { operators } = planFor();
    expect(operators.find(({ uid }) => uid === 'validate')?.states).toMatchInlineSnapshot(`
      [
        {
          "key": {
            "kind": "string",
          },
          "kind": "broadcast",
          "name": "rules",
          "value": {
            "kind": "float64",
          },
        },
        {
          "kind": "value",
          "name": "seen",
          "ttlMs": 34560000000,
          "value": {
            "kind": "boolean",
          },
        },
      ]
    `);
    expect(operators.find(({ uid }) => uid === 'hourly')).toMatchInlineSnapshot(`
      {
        "detail": {
          "allowedLatenessMs": 300000,
          "assigner": {
            "kind": "tumbling",
            "offsetMs": 0,
            "sizeMs": 3600000,
            "time": "event-time",
          },
          "function": "aggregate",
          "kind": "window",
          "lateTag": "late",
        },
        "inputs": [
          {
            "from": "validate",
            "input": 0,
            "partitioner": "hash",
          },
        ],
        "kind": "window",
        "parallelism": 2,
        "states": [
          {
            "kind": "aggregating",
            "name": "window-contents",
            "value": {
              "kind": "float64",
            },
          },
        ],
        "uid": "hourly",
      }
    `);
  });

  it('has one hash each time it is built', () => {
    expect(planFor().hash).toBe(planFor().hash);
    expect(planHash(planFor())).toBe(planFor().hash);
  });

  it('has the same hash whatever its functions do', () => {
    expect(planFor({ tooBig: 7 }).hash).toBe(planFor().hash);
  });

  it.each([
    ['a schema of state', planFor({ seen: z.string() })],
    ['the size of a window', planFor({ size: hours(2) })],
    ['a setting', planFor({}, { 'state.backend.type': 'rocksdb' })],
  ])('has another hash with another %s', (_what, plan) => {
    expect(plan.hash).not.toBe(planFor().hash);
  });
});
