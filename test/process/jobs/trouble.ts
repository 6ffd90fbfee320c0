/** Counts by key; one element makes trouble in the thread or the process of its slot, once or each time. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import {
  defineJob,
  fileSink,
  generate,
  setupCheckpointAndRecovery,
  valueState,
  type Source,
} from 'tidemark';
import { z } from 'zod';

const GATE_LOOK_MS = 20;

const TroubleSettings = z.object({
  out: z.string(),
  count: z.number().default(2_000),
  /** A file; as long as it is not there the second half of the elements waits. Absent: nothing waits. */
  gate: z.string().optional(),
  kind: z.enum(['none', 'throw', 'exit', 'loop', 'reject', 'hoard', 'crash', 'block']),
  /** A file that is made before the trouble: with it there is none. Absent: trouble each time. */
  once: z.string().optional(),
});
const Count = z.object({ key: z.number(), count: z.number() });
const count = valueState('count', z.number());

function makeTrouble(kind: z.infer<typeof TroubleSettings>['kind']): void {
  switch (kind) {
    case 'none':
      return;
    case 'throw':
      throw new TypeError('this element is poison');
    case 'exit':
      // In a worker it returns.
      process.exit(3);
      return;
    case 'loop':
      for (;;);
    case 'reject':
      void Promise.reject(new RangeError('nobody waits for this'));
      return;
    case 'hoard':
      for (const hoard: number[][] = []; ;) hoard.push(new Array<number>(100_000).fill(0.5));
    case 'block':
      // Holds the thread where nothing can interrupt it.
      execFileSync('sleep', ['30']);
      return;
    case 'crash':
      // As a native module that reads where it may not.
      process.kill(process.pid, 'SIGSEGV');
  }
}

/** Emits what is below `half`, and the rest once the file is there. Meanwhile barriers come through. */
export function gated<Split, Enum>(
  source: Source<number, Split, Enum>,
  file: string,
  half: number,
): Source<number, Split, Enum> {
  return {
    ...source,
    reader: (context) => {
      const reader = source.reader(context);
      let isHeld = false;
      return {
        start: () => reader.start(),
        poll: (out, limit) => {
          if (isHeld && !existsSync(file)) return 'later';
          const emit = (n: number, splitId: string, timestampMs?: number): boolean => {
            // Behind it comes what is not below the half.
            isHeld = n + context.parallelism >= half && !existsSync(file);
            return out.emit(n, splitId, timestampMs) && !isHeld;
          };
          return reader.poll({ emit, splitFinished: (id) => out.splitFinished(id) }, limit);
        },
        available: () => (isHeld ? setTimeout(GATE_LOOK_MS) : reader.available()),
        addSplits: (splits) => reader.addSplits(splits),
        noMoreSplits: () => reader.noMoreSplits(),
        snapshot: (checkpointId) => reader.snapshot(checkpointId),
        close: () => reader.close(),
      };
    },
  };
}

export default defineJob('trouble', { settings: TroubleSettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { kind, once, out, gate } = settings;
  const numbers = generate(settings.count, (n) => n, { rowsPerSecond: 2_000 });
  env
    .fromSource('numbers', gate === undefined ? numbers : gated(numbers, gate, settings.count / 2))
    .keyBy((n) => n % 10)
    .process('count', { count }, Count, (n, { key, state, out: to }) => {
      if (n === settings.count / 2 && !(once !== undefined && existsSync(once))) {
        if (once !== undefined) writeFileSync(once, '');
        makeTrouble(kind);
      }
      const next = (state.count.value() ?? 0) + 1;
      state.count.update(next);
      to.emit({ key, count: next });
    })
    .sinkTo('counts', fileSink({ path: out, format: 'json-lines' }));
});
