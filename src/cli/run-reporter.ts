import type { Writable } from 'node:stream';
import pc from 'picocolors';
import { systemClock } from '../common/clock.ts';
import type { JobEvent, JobResult } from '../cluster/job-events.ts';
import { errorText } from '../common/error-text.ts';
import { isRestored, restoreText, type RestoreProgress } from './restore-text.ts';
import { bytesText } from './units.ts';

/** A terminal, a pipe, or what a test gives. */
type Output = Writable & { readonly isTTY?: boolean };

/**
 * Shows what happens to a job: for people as lines, with a progress line on a terminal; for programs
 * as JSON lines.
 */
export class RunReporter {
  readonly #json: boolean;
  readonly #out: Output;
  readonly #errors: Output;
  #startedMs: number | undefined;
  #read = 0;
  #checkpoints = 0;
  #restarts = 0;
  #lineIsOpen = false;
  #restore: RestoreProgress | undefined;

  constructor(json: boolean, out: Output, errors: Output) {
    this.#json = json;
    this.#out = out;
    this.#errors = errors;
  }

  event(event: JobEvent): void {
    if (event.kind === 'checkpoint-completed') this.#checkpoints += 1;
    if (event.kind === 'failure' && event.restartInMs !== undefined) this.#restarts += 1;
    if (this.#json)
      this.#line({
        ...event,
        ...(event.kind === 'failure' ? { error: errorText(event.error) } : {}),
      });
    else for (const line of describe(event)) this.say(line);
  }

  progress(read: number): void {
    const nowMs = systemClock.monotonicMs();
    this.#startedMs ??= nowMs;
    this.#read = read;
    if (this.#json) {
      this.#line({ kind: 'progress', read });
      return;
    }
    this.#progressLine(nowMs);
  }

  /** How far the restored state is loaded and verified, as long as it is not. */
  restoring(restore: RestoreProgress): void {
    const before = this.#restore;
    const isNews =
      before?.verifiedBytes !== restore.verifiedBytes || before.loadedBytes !== restore.loadedBytes;
    const wasDone = before !== undefined && isRestored(before);
    this.#restore = restore;
    if (!isNews) return;
    const isDone = isRestored(restore);
    // What was done when it was first looked at took no time to speak of.
    if (this.#json) this.#line({ kind: isDone ? 'restored' : 'restoring', ...restore });
    else if (isDone && before !== undefined && !wasDone) {
      this.say(
        pc.dim(`All ${bytesText(restore.totalBytes)} of restored state are loaded and verified`),
      );
    } else if (!isDone) this.#progressLine(systemClock.monotonicMs());
  }

  #progressLine(nowMs: number): void {
    if (this.#out.isTTY !== true) return;
    const startedMs = this.#startedMs ?? nowMs;
    const seconds = (nowMs - startedMs) / 1000;
    const read = this.#read;
    const rate = seconds > 0.5 ? `${short(read / seconds)} records/s` : '';
    const restore =
      this.#restore === undefined || isRestored(this.#restore)
        ? ''
        : `restoring ${restoreText(this.#restore)}  `;
    this.#out.write(
      `\r${pc.dim(`${restore}${short(read)} records  ${rate}  ${this.#checkpoints} checkpoints  ${this.#restarts} restarts`)}\u001B[K`,
    );
    this.#lineIsOpen = true;
  }

  /** A job that did not start. */
  error(error: unknown): void {
    if (this.#json) this.#line({ kind: 'refused', error: errorText(error) });
    this.#closeLine();
    this.#errors.write(`${pc.red(errorText(error))}\n`);
  }

  result(result: JobResult): void {
    this.#closeLine();
    if (this.#json) {
      this.#line({
        kind: 'result',
        ...result,
        read: this.#read,
        error: result.error === undefined ? undefined : errorText(result.error),
      });
      return;
    }
    const { status, checkpointsCompleted, restarts, error } = result;
    const colour = status === 'FINISHED' ? pc.green : status === 'FAILED' ? pc.red : pc.yellow;
    this.say(
      `${colour(status)}  ${short(this.#read)} records, ${checkpointsCompleted} checkpoints, ${restarts} restarts`,
    );
    if (error !== undefined) this.#errors.write(`${pc.red(errorText(error))}\n`);
  }

  say(line: string): void {
    this.#closeLine();
    (this.#json ? this.#errors : this.#out).write(`${line}\n`);
  }

  #line(value: unknown): void {
    this.#out.write(`${JSON.stringify(value)}\n`);
  }

  #closeLine(): void {
    if (this.#lineIsOpen) this.#out.write('\r\u001B[K');
    this.#lineIsOpen = false;
  }
}

function describe(event: JobEvent): string[] {
  switch (event.kind) {
    case 'starting':
      return [
        ...event.messages,
        `Job ${pc.bold(event.jobName)} (${event.jobId}), parallelism ${event.parallelism}`,
      ];
    case 'status':
      return event.status === 'RESTARTING' ? [pc.yellow('Restarting')] : [];
    case 'checkpoint-completed':
      return [
        pc.dim(
          `Checkpoint ${event.checkpointId} completed: ${Math.round(event.durationMs)} ms, ${short(event.writtenBytes)}B written, ${short(event.stateBytes)}B in all`,
        ),
      ];
    case 'checkpoint-failed':
      return [pc.yellow(`Checkpoint ${event.checkpointId} failed: ${event.reason}`)];
    case 'failure':
      // The one that ends the job comes with the result.
      if (event.restartInMs === undefined) return [];
      return [pc.red(`Failure, restarting in ${event.restartInMs} ms:`), errorText(event.error)];
    case 'task-manager':
      return event.status === 'lost' ? [pc.yellow(`Lost TaskManager ${event.id}`)] : [];
    case 'restarted':
      return [
        pc.green(
          `Running again after ${Math.round(event.downMs)} ms, ${
            event.restoredCheckpoint === undefined
              ? 'from the beginning'
              : `from checkpoint ${event.restoredCheckpoint}`
          }`,
        ),
      ];
    case 'warning':
      return [pc.yellow(`Warning: ${event.message}`)];
  }
}

function short(value: number): string {
  if (value < 1000) return String(Math.round(value));
  const units = ['', 'k', 'M', 'G', 'T'];
  const exponent = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** exponent;
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[exponent] ?? ''}`;
}
