/** A job like the one whose answers were recorded: a source, a count by key, a sink that keeps nothing. */
import { z } from 'zod';
import { collect, defineJob, generate, valueState } from '../../src/index.ts';
import type { JobDefinition } from '../../src/api/job-definition.ts';

const count = valueState('count', z.number());

interface CountingOptions {
  /** The element at which it fails, in every attempt. */
  readonly failAt?: number;
  /** By default it runs until it is ended. */
  readonly elements?: number;
}

export function countingJob(
  name: string,
  { failAt, elements = Infinity }: CountingOptions = {},
): JobDefinition<undefined> {
  return defineJob(name, (env) => {
    env
      .fromSource(
        'numbers',
        generate(elements, (n) => ({ n }), { rowsPerSecond: 200 }),
      )
      .keyBy(({ n }) => n % 5)
      .process('count', { count }, ({ n }, { state, out }) => {
        if (n === failAt) throw new TypeError('this element is not to be counted');
        const next = (state.count.value() ?? 0) + 1;
        state.count.update(next);
        if (next < 0) out.emit({ n: next });
      })
      .sinkTo('nothing', collect<{ n: number }>());
  });
}

/** Checkpoints often, so that a test need not wait. */
export const COUNTING_SETTINGS = {
  'execution.checkpointing.interval': '50ms',
  'execution.checkpointing.min-pause': '0',
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': '1',
  'restart-strategy.fixed-delay.delay': '10ms',
};
