import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import type { Source, SplitEnumerator, World } from '../contracts/source.ts';
import type { OperatorEvent } from '../runtime/operator.ts';

export interface SourceCoordinatorOptions {
  readonly uid: string;
  readonly source: Source<unknown>;
  readonly parallelism: number;
  readonly world: World;
  /** The enumerator's state of the restored checkpoint. */
  readonly from: Uint8Array | undefined;
  readonly send: (subtask: number, event: OperatorEvent) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Hosts a source's enumerator for one attempt of the job.
 *
 * Invariant: a split is in exactly one place of a checkpoint. The enumerator's state is taken before
 * the barriers go out; assignments that it makes between the two are held back until the barrier has
 * been sent, so that the reader gets them behind the barrier, as the state taken says.
 */
export class SourceCoordinator {
  readonly uid: string;
  readonly #options: SourceCoordinatorOptions;
  readonly #enumerator: SplitEnumerator<unknown>;
  /** Events that wait for the barrier; undefined while none is awaited. */
  #held: { subtask: number; event: OperatorEvent }[] | undefined;
  #started = false;
  #closed = false;
  /** Requests that came before the enumerator had started. */
  #early: number[] = [];

  constructor(options: SourceCoordinatorOptions) {
    this.#options = options;
    this.uid = options.uid;
    const { source, world, parallelism, uid } = options;
    const from =
      options.from === undefined
        ? undefined
        : source.enumeratorState.read(new ByteReader(options.from));
    this.#enumerator = source.enumerator(
      {
        world,
        uid,
        parallelism,
        assign: (split, subtask) => {
          const to = new ByteWriter();
          source.splits.write(split, to);
          this.#send(subtask, { kind: 'add-splits', splits: [to.finish()] });
        },
        noMoreSplits: (subtask) => {
          this.#send(subtask, { kind: 'no-more-splits' });
        },
        fail: (error) => {
          if (!this.#closed) options.fail(error);
        },
      },
      from,
    );
  }

  async start(): Promise<void> {
    await this.#enumerator.start();
    if (this.#closed) return;
    this.#started = true;
    const early = this.#early;
    this.#early = [];
    for (const subtask of early) this.#enumerator.splitRequested(subtask);
  }

  operatorEvent(subtask: number, event: OperatorEvent): void {
    if (this.#closed || event.kind !== 'request-split') return;
    if (this.#started) this.#enumerator.splitRequested(subtask);
    else this.#early.push(subtask);
  }

  /** The state for a checkpoint. From here on assignments wait for `release`. */
  snapshot(): Uint8Array {
    this.#held ??= [];
    const to = new ByteWriter();
    this.#options.source.enumeratorState.write(this.#enumerator.snapshot(), to);
    return to.finish();
  }

  /** The barriers are on their way (or the checkpoint was given up). */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { subtask, event } of held) this.#options.send(subtask, event);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#held = undefined;
    await this.#enumerator.close();
  }

  #send(subtask: number, event: OperatorEvent): void {
    if (this.#closed) return;
    if (this.#held === undefined) this.#options.send(subtask, event);
    else this.#held.push({ subtask, event });
  }
}
