/**
 * Runs the tasks of one thread in turns. Between turns the event loop does what is due: timers,
 * sockets, messages, promises.
 *
 *   parked ──wake──► scheduled ──the event loop's turn──► steps ──all idle──► parked
 *                        ▲                                  │ time is up
 *                        └──────────────────────────────────┘
 *
 * Always holds: a task that has something to do is stepped again, without a timer and without
 * spinning; a task that throws ends alone.
 */
import type { Clock } from '../common/clock.ts';
import { randomInt, type Random } from '../common/random.ts';
import type { Task } from './task.ts';

/** How long a turn lasts. Shorter: mail and timers are served sooner; longer: less is lost on turns. */
export const TURN_MS = 2;
/** Batches per task before the next task has its go. One: what it made is still in the near cache. */
const BATCHES_PER_STEP = 1;
/** Most steps of one turn when they are counted and not timed. */
const SIMULATED_STEPS_MAX = 8;

export interface TaskThreadOptions {
  readonly clock: Clock;
  /**
   * For simulations, where time stands still during a turn: draws how many steps a turn has and
   * which task is next. Default: `TURN_MS` by the clock, in turn.
   */
  readonly random?: Random | undefined;
  /** Told which task is stepped now, and `undefined` behind a turn's last step: to name one that is stuck. */
  readonly onStep?: ((task: Task | undefined) => void) | undefined;
}

interface Entry {
  readonly task: Task;
  ready: boolean;
}

export class TaskThread {
  readonly #clock: Clock;
  readonly #random: Random | undefined;
  readonly #onStep: ((task: Task | undefined) => void) | undefined;
  #entries: Entry[] = [];
  #next = 0;
  #scheduled = false;

  constructor({ clock, random, onStep }: TaskThreadOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#onStep = onStep;
  }

  /** Takes a task over and starts it. It leaves by itself when it has ended. */
  run(task: Task): void {
    const entry: Entry = { task, ready: true };
    task.onWake(() => {
      entry.ready = true;
      this.#schedule();
    });
    this.#entries.push(entry);
    task.start();
    this.#schedule();
  }

  /** Tasks that have not ended. */
  get size(): number {
    return this.#entries.length;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.turn(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    const clock = this.#clock;
    let atMs = clock.monotonicMs();
    const isOver = this.#random === undefined ? timed(atMs) : counted(this.#random);
    let entry = this.#pick();
    while (entry !== undefined) {
      this.#step(entry);
      const nowMs = clock.monotonicMs();
      entry.task.busyMs += nowMs - atMs;
      atMs = nowMs;
      if (isOver(nowMs)) break;
      entry = this.#pick();
    }
    this.#onStep?.(undefined);
    for (const { task } of this.#entries) task.flush();
    if (this.#entries.some(({ ready }) => ready)) this.#schedule();
  }

  #step(entry: Entry): void {
    entry.ready = false;
    this.#onStep?.(entry.task);
    const result = entry.task.step(BATCHES_PER_STEP);
    if (result === 'progress') entry.ready = true;
    else if (result === 'done') this.#entries = this.#entries.filter((one) => one !== entry);
  }

  /** A task that is ready: the next in turn, or any. */
  #pick(): Entry | undefined {
    const entries = this.#entries;
    const count = entries.length;
    if (count === 0) return undefined;
    const start = this.#random === undefined ? this.#next : randomInt(this.#random, count);
    for (let tried = 0; tried < count; tried++) {
      const index = (start + tried) % count;
      const entry = entries[index];
      if (entry?.ready !== true) continue;
      this.#next = index + 1;
      return entry;
    }
    return undefined;
  }
}

function timed(startMs: number): (nowMs: number) => boolean {
  const endMs = startMs + TURN_MS;
  return (nowMs) => nowMs >= endMs;
}

function counted(random: Random): () => boolean {
  let left = 1 + randomInt(random, SIMULATED_STEPS_MAX);
  return () => --left <= 0;
}
