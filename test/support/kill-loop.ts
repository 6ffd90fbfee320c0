/**
 * Kills a job again and again at drawn moments, and looks after each kill at what can be seen of it. Each kind of
 * moment has its turn: chance alone would, now and then, leave nothing to restore.
 */
import { expect } from 'vitest';
import { randomInt, type Random } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { finishedFiles } from './finished-lines.ts';
import type { NodeProcess } from './tidemark-process.ts';

export interface KillLoop {
  readonly seed: number;
  readonly kills: number;
  /** The most records that one life may read. */
  readonly recordsMax: number;
  /** The most checkpoints and finished files that one life may make. */
  readonly checkpointsMax: number;
  readonly parallelismMax: number;
  /** Where the job's finished files are. */
  readonly out: string;
  readonly start: (parallelism: number) => NodeProcess;
  /** Called after each kill, with what to say if something is wrong. */
  readonly look: (what: string) => void;
}

/** @returns the checkpoints that were restored; `undefined` among them for a start without one. */
export async function killAgainAndAgain(loop: KillLoop): Promise<ReadonlySet<unknown>> {
  const random = seededRandom(loop.seed);
  const restored = new Set<unknown>();
  const turns = turnsOf(random, loop.kills);
  for (const [index, draw] of turns.entries()) {
    const kill = index + 1;
    const parallelism = 1 + randomInt(random, loop.parallelismMax);
    const { text, watch } = draw(random, loop);
    const what = `SEED=${loop.seed}, kill ${kill} at parallelism ${parallelism} ${text}`;
    const running = loop.start(parallelism);
    const hasCome = await running.until(watch(running));
    const ended = await running.kill('SIGKILL');
    expect(hasCome, `${what}: ended before\n${ended.stdout}${ended.stderr}`).toBe(true);
    restored.add(running.events.find(({ kind }) => kind === 'starting')?.['restoredCheckpoint']);
    loop.look(what);
  }
  return restored;
}

interface Moment {
  readonly text: string;
  /** Called when the process has been started; says whether the moment has come. */
  readonly watch: (process: NodeProcess) => () => boolean;
}

type Draw = (random: Random, loop: KillLoop) => Moment;

const DRAWS: readonly Draw[] = [
  (random, { checkpointsMax }) => {
    const count = 1 + randomInt(random, checkpointsMax);
    return {
      text: `at its checkpoint ${count}`,
      watch: (process) => () => process.count('checkpoint-completed') >= count,
    };
  },
  (_, { checkpointsMax, out }) => ({
    text: 'when a file was finished',
    watch: (process) => {
      const before = finishedFiles(out).length;
      // A stretch of input may have no output at all.
      const isLate = (): boolean => process.count('checkpoint-completed') >= checkpointsMax;
      return () => finishedFiles(out).length > before || isLate();
    },
  }),
  (random, { recordsMax }) => {
    const records = 1 + randomInt(random, recordsMax);
    return {
      text: `after ${records} records`,
      watch: (process) => () => process.recordsRead() >= records,
    };
  },
  () => ({
    text: 'at its first event',
    watch: (process) => () => process.count('starting') > 0,
  }),
];

/** As many of each kind, in a drawn order. */
function turnsOf(random: Random, kills: number): Draw[] {
  return Array.from({ length: kills }, (_, index) => ({ index, order: random.next() }))
    .sort((a, b) => a.order - b.order)
    .flatMap(({ index }) => DRAWS[index % DRAWS.length] ?? []);
}
