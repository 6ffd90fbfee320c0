/**
 * A few words in memory that a slot's thread writes and its TaskManager reads, also when the thread
 * is stuck or gone: which task runs now, and which ones ran in the thread's last turn.
 *
 *   word 0: the task that is stepped now, 0 for none
 *   word 1: how many ran in the last turn
 *   then:   those tasks
 *
 * Always holds: a word of 0 names no task; tasks of a slot are numbered from 1.
 */

/** More tasks than that in one turn are not remembered. */
const TURN_TASKS_MAX = 14;
const WORDS = 2 + TURN_TASKS_MAX;
const NOW = 0;
const COUNT = 1;
const FIRST = 2;

export function createProgressWords(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The slot's side. */
export class ProgressWriter {
  readonly #words: Int32Array;
  #isNewTurn = true;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** This task is stepped from now on; 0: the turn is over. */
  step(task: number): void {
    const words = this.#words;
    words[NOW] = task;
    if (task === 0) {
      this.#isNewTurn = true;
      return;
    }
    let count = this.#isNewTurn ? 0 : (words[COUNT] ?? 0);
    this.#isNewTurn = false;
    for (let at = FIRST; at < FIRST + count; at += 1) if (words[at] === task) return;
    if (count < TURN_TASKS_MAX) {
      words[FIRST + count] = task;
      count += 1;
    }
    words[COUNT] = count;
  }
}

/** The task that is stepped now; if there is none, those of the last turn. */
export function tasksRunning(memory: SharedArrayBuffer): readonly number[] {
  const words = new Int32Array(memory);
  const now = words[NOW] ?? 0;
  if (now !== 0) return [now];
  return [...words.subarray(FIRST, FIRST + (words[COUNT] ?? 0))];
}
