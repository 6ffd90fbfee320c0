/** Counts by key; its committer, its enumerator or its module makes trouble, once or each time. */
import { existsSync, writeFileSync } from 'node:fs';
import {
  defineJob,
  fileSink,
  generate,
  setupCheckpointAndRecovery,
  valueState,
  type Sink,
  type Source,
} from 'tidemark';
import { z } from 'zod';
import { gated } from './trouble.ts';

const KINDS = ['none', 'throw', 'exit', 'loop', 'reject'] as const;
const Settings = z.object({
  out: z.string(),
  where: z.enum(['commit', 'enumerator', 'module']),
  kind: z.enum(KINDS),
  /** A file that is made before the trouble: with it there is none. Absent: trouble each time. */
  once: z.string().optional(),
});
type Settings = z.infer<typeof Settings>;

const COUNT = 3_000;
/** Of commits that have anything to commit. */
const TROUBLED_COMMIT = 3;
const Count = z.object({ key: z.number(), count: z.number() });
const count = valueState('count', z.number());

if (process.env['TROUBLE_IN_MODULE'] === 'exit') process.exit(3);
if (process.env['TROUBLE_IN_MODULE'] === 'throw') throw new TypeError('the module is broken');

function makeTrouble({ kind, once }: Settings): void {
  if (once !== undefined) {
    if (existsSync(once)) return;
    writeFileSync(once, '');
  }
  switch (kind) {
    case 'none':
      return;
    case 'throw':
      throw new TypeError('planned trouble');
    case 'exit':
      // In a worker it returns.
      process.exit(3);
      return;
    case 'loop':
      for (;;);
    case 'reject':
      void Promise.reject(new RangeError('nobody waits for this'));
  }
}

/** A file that is made when so many commits are done. */
const committedFile = (out: string, commits: number): string => `${out}-committed-${commits}`;

/** The sink with trouble at its third commit that has anything to commit. */
function troubledSink<T, C>(sink: Sink<T, C>, settings: Settings): Sink<T, C> {
  return {
    ...sink,
    committer: (context) => {
      const committer = sink.committer?.(context);
      if (committer === undefined) throw new TypeError('the sink commits nothing');
      let commits = 0;
      return {
        commit: (committables) => {
          if (committables.length > 0) commits += 1;
          if (commits === TROUBLED_COMMIT) makeTrouble(settings);
          return committer.commit(committables).then((results) => {
            if (commits > 0) writeFileSync(committedFile(settings.out, commits), '');
            return results;
          });
        },
        abortLeftovers: async () => committer.abortLeftovers?.(),
        close: async () => committer.close?.(),
      };
    },
  };
}

/** The source in as many parts as there are commits before the trouble and at it: each waits for the commit before. */
function inParts<S, E>(source: Source<number, S, E>, { out }: Settings): Source<number, S, E> {
  let parts = source;
  for (let commits = 1; commits < TROUBLED_COMMIT; commits += 1) {
    parts = gated(parts, committedFile(out, commits), (COUNT / TROUBLED_COMMIT) * commits);
  }
  return parts;
}

/** The source with trouble at the first request for a split. */
function troubledSource<T, S, E>(source: Source<T, S, E>, settings: Settings): Source<T, S, E> {
  return {
    ...source,
    enumerator: (context, from) => {
      const enumerator = source.enumerator(context, from);
      return {
        start: () => enumerator.start(),
        splitRequested: (subtask) => {
          makeTrouble(settings);
          enumerator.splitRequested(subtask);
        },
        snapshot: () => enumerator.snapshot(),
        close: () => enumerator.close(),
      };
    },
  };
}

export default defineJob(
  'coordinator-trouble',
  { settings: Settings },
  (env, { settings, flink }) => {
    setupCheckpointAndRecovery(env, flink);
    const { out, where } = settings;
    const numbers = generate(COUNT, (n) => n, { rowsPerSecond: 2_000 });
    const sink = fileSink<z.infer<typeof Count>>({ path: out, format: 'json-lines' });
    env
      .fromSource(
        'numbers',
        where === 'enumerator' ? troubledSource(numbers, settings) : inParts(numbers, settings),
      )
      .keyBy((n) => n % 10)
      .process('count', { count }, Count, (_, { key, state, out: to }) => {
        const next = (state.count.value() ?? 0) + 1;
        state.count.update(next);
        to.emit({ key, count: next });
      })
      .sinkTo('counts', where === 'commit' ? troubledSink(sink, settings) : sink);
  },
);
