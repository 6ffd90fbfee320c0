/** Small jobs for the tests of tasks. */
import { z } from 'zod';
import { valueState } from '../../src/api/state-descriptors.ts';
import { generate } from '../../src/connectors/generator/generator-source.ts';
import type { OnTimerContext, ProcessContext } from '../../src/contracts/functions.ts';
import type { StateDescriptors, ValueState } from '../../src/contracts/state.ts';
import type { StreamNode } from '../../src/graph/operator-spec.ts';
import { node, NO_WATERMARKS, type ScriptedSource } from './stream-nodes.ts';
import { TaskHarness, type HarnessOptions } from './task-harness.ts';

interface CountContext extends ProcessContext<unknown, StateDescriptors, unknown> {
  readonly state: { readonly count: ValueState<number> };
}

const count = valueState('count', z.number());

/** Emits the running count of each key. */
export function counting(
  uid: string,
  from: string | readonly string[],
  by = (value: unknown) => value,
): StreamNode {
  const processElement = (_value: unknown, { key, state, out }: CountContext) => {
    const next = (state.count.value() ?? 0) + 1;
    state.count.update(next);
    out.emit({ key, count: next });
  };
  const process = { processElement: processElement as never };
  return node(uid, { kind: 'keyed-process', states: { count }, process }, { from, by });
}

export type Context = ProcessContext<unknown, StateDescriptors, unknown>;
export type TimerContext = OnTimerContext<unknown, StateDescriptors, unknown>;

export function keyed(
  uid: string,
  from: string,
  process: {
    processElement: (value: never, context: Context) => void;
    onTimer?: (timestampMs: number, context: TimerContext) => void;
  },
): StreamNode {
  const spec = { kind: 'keyed-process', states: {}, process: process as never } as const;
  return node(uid, spec, { from, by: () => 'all' });
}

export function scripted(
  uid: string,
  source: ScriptedSource,
  watermarks = NO_WATERMARKS,
): StreamNode {
  return node(uid, { kind: 'source', source: source.source, watermarks });
}

export function numbers(
  uid: string,
  howMany: number,
  make: (i: number) => unknown = (i) => i,
): StreamNode {
  return node(uid, { kind: 'source', source: generate(howMany, make), watermarks: NO_WATERMARKS });
}

export async function started(options: HarnessOptions): Promise<TaskHarness> {
  const harness = new TaskHarness(options);
  await harness.start();
  harness.throwFailure();
  return harness;
}

export const values = (howMany: number) =>
  Array.from({ length: howMany }, (_, value) => ({ value }));

/** Passes elements on as they are, in a task of its own. */
export function passing(uid: string, from: string): StreamNode {
  const map = (value: unknown) => value;
  return node(uid, { kind: 'map', map }, { from, partitioner: 'rebalance' });
}
