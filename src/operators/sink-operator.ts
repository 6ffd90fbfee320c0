/**
 * A sink's writer in a chain. One write at a time: while one is under way the task is blocked, and
 * what the element that is being processed still emits waits in a queue.
 *
 * Always holds: `prepareCommit` is called when exactly the elements before the barrier were written.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier, SerializedCommittable } from '../contracts/snapshots.ts';
import type { Sink, SinkWriter } from '../contracts/sink.ts';
import { userCodeError } from '../runtime/errors.ts';
import type { Inline, WriteQueue } from '../runtime/inline.ts';
import type { Operator, OperatorContext } from '../runtime/operator.ts';
import { ByteWriter } from '../serde/bytes.ts';

interface Waiting {
  readonly value: unknown;
  readonly timestampMs: number;
}

export class SinkOperator implements Operator, WriteQueue {
  readonly #sink: Sink<unknown>;
  #writer: SinkWriter<unknown, unknown> | undefined;
  #inline: Inline | undefined;
  #context: OperatorContext | undefined;
  #sequence = 0;
  /** Resolves when the write under way and all that wait behind it are done. */
  #writing: Promise<void> | undefined;
  #waiting: Waiting[] = [];
  /** The last `prepareCommit`: committables are handed over in the order of checkpoints. */
  #prepared: Promise<unknown> = Promise.resolve();

  busy = false;

  constructor(sink: Sink<unknown>) {
    this.#sink = sink;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare({ world, uid, subtask, parallelism, writerId }: OperatorContext): void {
    const writer = this.#sink.writer({ world, uid, subtask, parallelism, writerId });
    this.#writer = writer;
    this.#inline = { kind: 'sink', writer, queue: this };
  }

  open(context: OperatorContext): void | Promise<void> {
    this.#context = context;
    return this.#writer?.open?.();
  }

  processElement(value: unknown, timestampMs: number): void {
    if (this.busy) {
      this.later(value, timestampMs);
      return;
    }
    const writing = this.#write({ value, timestampMs });
    if (writing !== undefined) this.wait(writing);
  }

  later(value: unknown, timestampMs: number): void {
    this.#waiting.push({ value, timestampMs });
  }

  wait(writing: PromiseLike<void>): void {
    const context = this.#context;
    assert(context !== undefined, 'an element before open');
    this.busy = true;
    context.flow.stop = true;
    this.#writing = this.#writeAll(writing);
    this.#writing.then(
      () => {
        context.mail(() => {
          this.busy = false;
          this.#writing = undefined;
        });
      },
      (error: unknown) => {
        context.mail(() => {
          throw userCodeError(context.uid, error);
        });
      },
    );
  }

  resume(): boolean {
    return !this.busy;
  }

  snapshot(barrier: CheckpointBarrier): Promise<readonly SerializedCommittable[]> {
    const { checkpointId, kind } = barrier;
    const writer = this.#writer;
    assert(writer !== undefined, 'a barrier before open');
    const prepared =
      this.#writing === undefined
        ? writer.prepareCommit(checkpointId, kind)
        : this.#writing.then(() => writer.prepareCommit(checkpointId, kind));
    const committables = Promise.all([prepared, this.#prepared]).then(([made]) =>
      made.map((committable) => this.#serialize(committable, checkpointId)),
    );
    this.#prepared = committables.catch(() => undefined);
    return committables;
  }

  async close(): Promise<void> {
    await this.#writer?.close();
  }

  async #writeAll(first: PromiseLike<void>): Promise<void> {
    await first;
    for (;;) {
      const waiting = this.#waiting;
      if (waiting.length === 0) return;
      this.#waiting = [];
      for (const one of waiting) await this.#write(one);
    }
  }

  #write({ value, timestampMs }: Waiting): PromiseLike<void> | undefined {
    const timestamp = Number.isNaN(timestampMs) ? undefined : timestampMs;
    return this.#writer?.write(value, timestamp) ?? undefined;
  }

  #serialize(committable: unknown, checkpointId: number): SerializedCommittable {
    const { committables } = this.#sink;
    const context = this.#context;
    assert(context !== undefined, 'a barrier before open');
    assert(committables !== undefined, `the sink '${context.uid}' commits without a serializer`);
    const to = new ByteWriter();
    committables.write(committable, to);
    return {
      uid: context.uid,
      subtask: context.subtask,
      checkpointId,
      sequence: this.#sequence++,
      base64: Buffer.from(to.finish()).toString('base64'),
    };
  }
}
