import pc from 'picocolors';
import type { RunEvent } from './job-process.ts';
import type { Recovery, RunListener, Victim } from './run-with-kills.ts';

type TaskManagerEvent = Extract<RunEvent, { kind: 'task-manager' }>;

/** A terminal, or what stands in for one. */
interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_CELLS = 24;
/** Progress comes five times a second: the rate is that of the last two seconds. */
const SAMPLES_MAX = 10;
const CLEAR_LINE = '\r\u001B[K';
/** Where there is no terminal, the bar is a line of its own at each such part of the rows. */
const PLAIN_SHARE = 0.1;

interface Sample {
  readonly rows: number;
  readonly atMs: number;
}

/** Shows a run: what happens as lines, how far it is as a bar below them. */
export class Display implements RunListener {
  readonly #out: Output;
  readonly #rows: number;
  #done = 0;
  #toldShare = 0;
  #checkpoints = 0;
  /** The last ones of this process, for the rate. */
  #samples: readonly Sample[] = [];
  #barIsThere = false;

  constructor(out: Output, rows: number) {
    this.#out = out;
    this.#rows = rows;
  }

  line(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
  }

  event(event: RunEvent, atMs: number): void {
    switch (event.kind) {
      case 'starting':
        for (const message of event.messages) this.#at(atMs, pc.cyan(message));
        return;
      case 'checkpoint-completed':
        this.#checkpoints += 1;
        this.#at(
          atMs,
          pc.dim(
            `checkpoint ${event.checkpointId} in ${whole(event.durationMs)} ms, ` +
              `${bytes(event.writtenBytes)} written, ${bytes(event.stateBytes)} in all`,
          ),
        );
        return;
      case 'checkpoint-failed':
        this.#at(atMs, pc.yellow(`checkpoint ${event.checkpointId} failed: ${event.reason}`));
        return;
      case 'warning':
        this.#at(atMs, pc.yellow(`warning: ${event.message}`));
        return;
      case 'failure':
        this.#at(atMs, pc.red(event.error));
        return;
      case 'task-manager':
        this.#taskManager(event, atMs);
        return;
      case 'restarted':
      case 'status':
      case 'progress':
      case 'refused':
      case 'result':
        return;
    }
  }

  rows(done: number, atMs: number): void {
    this.#samples = [...this.#samples, { rows: done, atMs }].slice(-SAMPLES_MAX);
    this.#done = done;
    if (this.#out.isTTY === true) {
      this.#drawBar(atMs);
      return;
    }
    const share = Math.floor(done / this.#rows / PLAIN_SHARE) * PLAIN_SHARE;
    if (share <= this.#toldShare) return;
    this.#toldShare = share;
    this.#at(atMs, this.#progress(atMs));
  }

  killed({ name, pid }: Victim, rows: number, atMs: number): void {
    this.#samples = [];
    this.#at(atMs, pc.red(pc.bold(`kill -9 ${pid} (${name}) at ${whole(rows)} rows`)));
  }

  recovered({ recoveryMs, startMs }: Recovery, atMs: number): void {
    const rest = recoveryMs - startMs;
    this.#at(
      atMs,
      `${pc.green(pc.bold(`recovered in ${whole(recoveryMs)} ms`))} from the kill to the next record ` +
        `(${whole(startMs)} ms until all tasks ran again, ${whole(rest)} ms to the record)`,
    );
  }

  #taskManager({ id, pid, status, spare }: TaskManagerEvent, atMs: number): void {
    const what = spare ? 'a spare that stands by' : 'runs tasks';
    if (status === 'registered') this.#at(atMs, pc.dim(`TaskManager ${id} (pid ${pid}): ${what}`));
    if (status === 'lost') this.#at(atMs, pc.yellow(`TaskManager ${id} (pid ${pid}) is gone`));
  }

  /** Takes the bar away. */
  end(): void {
    this.#clear();
  }

  #at(atMs: number, text: string): void {
    this.line(`${pc.dim(`${(atMs / 1000).toFixed(1).padStart(5)} s`)}  ${text}`);
  }

  #drawBar(atMs: number): void {
    const filled = Math.round((BAR_CELLS * this.#done) / this.#rows);
    const bar = pc.green('█'.repeat(filled)) + pc.dim('░'.repeat(BAR_CELLS - filled));
    const room = (this.#out.columns ?? 80) - BAR_CELLS - 4;
    const text = `${this.#progress(atMs)}, ${this.#checkpoints} checkpoint${this.#checkpoints === 1 ? '' : 's'}`;
    this.#out.write(`${CLEAR_LINE}${bar}  ${text.slice(0, Math.max(0, room))}`);
    this.#barIsThere = true;
  }

  #progress(atMs: number): string {
    const done = this.#done;
    const percent = Math.floor((100 * done) / this.#rows);
    const oldest = this.#samples[0] ?? { rows: done, atMs };
    const seconds = (atMs - oldest.atMs) / 1000;
    const rate = seconds > 0.5 ? `, ${whole((done - oldest.rows) / seconds)} rows/s` : '';
    return `${percent} %, ${whole(done)} of ${whole(this.#rows)} rows${rate}`;
  }

  #clear(): void {
    if (this.#barIsThere) this.#out.write(CLEAR_LINE);
    this.#barIsThere = false;
  }
}

/** With commas between thousands. */
export function whole(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

function bytes(value: number): string {
  if (value < 1000) return `${Math.round(value)} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  return `${(value / 1e6).toFixed(1)} MB`;
}
