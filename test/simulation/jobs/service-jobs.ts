/** Small jobs for simulated services: they count by key into files. */
import { z } from 'zod';
import type { JobSubmission } from '../../../src/cluster/dispatcher/cluster.ts';
import { defineJob, generate, valueState, type JobDefinition } from '../../../src/index.ts';
import { parseSettings } from '../../../src/settings/parse-settings.ts';
import { out } from './topology.ts';

const COUNT = 24;

export const FLINK = parseSettings({
  env: {},
  cores: 1,
  dynamic: {
    'execution.checkpointing.interval': '20 ms',
    'execution.checkpointing.min-pause': '0 ms',
    'restart-strategy.type': 'none',
  },
});

const seen = valueState('seen', z.number());
const Seen = z.object({ key: z.number(), seen: z.number() });

/** One of this name fails at an element. */
export const POISONED = 'poisoned';
/** One of this name takes its time. */
export const SLOW = 'slow';

export function jobOf(name: string): JobDefinition<undefined> {
  return defineJob(name, (env) => {
    env
      .fromSource(
        'numbers',
        generate(COUNT, (n) => n, { rowsPerSecond: name === SLOW ? 20 : 500 }),
      )
      .keyBy((n) => n % 3)
      .process('count', { seen }, Seen, (n, { key, state, out: output }) => {
        if (name === POISONED && n === 20) throw new RangeError('planned by the test');
        const next = (state.seen.value() ?? 0) + 1;
        state.seen.update(next);
        output.emit({ key, seen: next });
      })
      .sinkTo('out', out(`/${name}`));
  });
}

export const NAMES = ['first', 'second'] as const;
/** Output of a job that is neither poisoned nor was begun anew. */
export const EXPECTED = Array.from({ length: COUNT }, (_, n) =>
  JSON.stringify({ key: n % 3, seen: Math.floor(n / 3) + 1 }),
).sort();

export function submission(name: string): JobSubmission {
  return {
    module: name,
    arguments: [],
    flink: FLINK,
    from: { kind: 'resume' },
    allowNonRestoredState: false,
    folder: '/',
  };
}
