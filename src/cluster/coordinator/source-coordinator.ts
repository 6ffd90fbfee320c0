import { ByteReader, ByteWriter } from '../../serde/bytes.ts';
import type { Source, SplitEnumerator, World } from '../../contracts/source.ts';
import type { OperatorEvent } from '../../runtime/operator.ts';

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

interface HeldEvent {
  readonly subtask: number;
  readonly event: OperatorEvent;
}

/**
 * Hosts a source's enumerator for one attempt of its region.
 *
 * Invariant: a split is in exactly one place of a checkpoint. The enumerator's state is taken before
 * the barriers go out; assignments that it makes between the two are held back until the barrier has
 * been sent, so that the reader gets them behind the barrier, as the state taken says.
 */
export class SourceCoordinator {
  readonly uid: string;
  readonly #options: SourceCoordinatorOptions;
  readonly #enumerator: SplitEnumerator<unknown>;
  /** Checkpoints whose barriers are awaited, and between them the events that wait for those. */
  #held: (number | HeldEvent)[] = [];
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

  /** The state for a checkpoint. From here on assignments wait for its `release`. */
  snapshot(checkpointId: number): Uint8Array {
    this.#held.push(checkpointId);
    const to = new ByteWriter();
    this.#options.source.enumeratorState.write(this.#enumerator.snapshot(), to);
    return to.finish();
  }

  /** The barriers of this checkpoint are on their way, or it was given up. */
  release(checkpointId: number): void {
    const held = this.#held.filter((one) => one !== checkpointId);
    const next = held.findIndex((one) => typeof one === 'number');
    const free = held.splice(0, next === -1 ? held.length : next);
    this.#held = held;
    for (const one of free) {
      if (typeof one === 'object') this.#options.send(one.subtask, one.event);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#held = [];
    await this.#enumerator.close();
  }

  #send(subtask: number, event: OperatorEvent): void {
    if (this.#closed) return;
    if (this.#held.length === 0) this.#options.send(subtask, event);
    else this.#held.push({ subtask, event });
  }
}
