/**
 * Runs a source as a coordinator and its tasks do, on the real clock, so that a test can take snapshots,
 * complete checkpoints and go on from any of them, in another number of subtasks.
 */
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { systemRandom } from '../../src/common/random.ts';
import type { Source, SourceOutput, SourceReader, World } from '../../src/contracts/source.ts';
import { ByteReader, ByteWriter } from '../../src/serde/bytes.ts';
import type { Serializer } from '../../src/serde/serializer.ts';

export interface DrivenSnapshot {
  readonly enumerator: Uint8Array;
  readonly splits: readonly Uint8Array[];
}

export interface DrivenElement<T> {
  readonly value: T;
  readonly splitId: string;
  readonly timestampMs: number | undefined;
  readonly subtask: number;
}

const LOOK_MS = 5;
const UNTIL_MAX_MS = 240_000;
const WORLD: World = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };

export class DrivenSource<T, Split, Enum> {
  readonly elements: DrivenElement<T>[] = [];
  readonly finished: string[] = [];
  readonly readers: SourceReader<T, Split>[] = [];
  /** While it is true, no reader is polled: as if the job behind were blocked. */
  paused = false;
  /** Pauses itself when so many elements are out. */
  pauseAt = Infinity;
  failure: unknown;
  readonly #source: Source<T, Split, Enum>;
  readonly #enumerator;
  readonly #loops: Promise<void>[] = [];
  #ended = 0;
  #stopped = false;

  constructor(source: Source<T, Split, Enum>, parallelism: number, from?: DrivenSnapshot) {
    this.#source = source;
    const state = from && fromBytes(source.enumeratorState, from.enumerator);
    this.#enumerator = source.enumerator(
      {
        world: WORLD,
        uid: 'source',
        parallelism,
        assign: (split, subtask) => {
          this.readers[subtask]?.addSplits([
            fromBytes(source.splits, toBytes(source.splits, split)),
          ]);
        },
        noMoreSplits: (subtask) => this.readers[subtask]?.noMoreSplits(),
        fail: (error) => (this.failure = error),
      },
      state,
    );
    for (let subtask = 0; subtask < parallelism; subtask += 1) {
      const reader = source.reader({
        world: WORLD,
        uid: 'source',
        subtask,
        parallelism,
        requestSplit: () => void systemClock.turn(() => this.#enumerator.splitRequested(subtask)),
      });
      this.readers.push(reader);
    }
    for (const [index, bytes] of (from?.splits ?? []).entries()) {
      this.readers[index % parallelism]?.addSplits([fromBytes(source.splits, bytes)]);
    }
  }

  get values(): T[] {
    return this.elements.map(({ value }) => value);
  }

  get hasEnded(): boolean {
    return this.#ended === this.readers.length;
  }

  async start(): Promise<this> {
    await this.#enumerator.start();
    for (const [subtask, reader] of this.readers.entries()) {
      await reader.start();
      this.#loops.push(this.#drive(reader, subtask));
    }
    return this;
  }

  /** Resolves when `holds` does, or rejects with what went wrong. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = systemClock.monotonicMs() + UNTIL_MAX_MS;
    for (;;) {
      if (this.failure !== undefined) throw this.failure as Error;
      if (await holds()) return;
      if (systemClock.monotonicMs() > endMs) {
        throw new TypeError(`it never held; ${this.elements.length} elements came`);
      }
      await sleep(systemClock, LOOK_MS);
    }
  }

  /** Resolves with what the source fails with. */
  async untilFailed(): Promise<unknown> {
    await this.until(() => this.failure !== undefined).catch(() => undefined);
    return this.failure;
  }

  /** Between two polls, as a barrier. */
  snapshot(checkpointId: number): DrivenSnapshot {
    const enumerator = toBytes(this.#source.enumeratorState, this.#enumerator.snapshot());
    const splits = this.readers.flatMap((reader) =>
      reader.snapshot(checkpointId).map((split) => toBytes(this.#source.splits, split)),
    );
    return { enumerator, splits };
  }

  splits(snapshot: DrivenSnapshot): Split[] {
    return snapshot.splits.map((bytes) => fromBytes(this.#source.splits, bytes));
  }

  completed(checkpointId: number): void {
    for (const reader of this.readers) reader.checkpointCompleted?.(checkpointId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#enumerator.close(), ...this.readers.map((one) => one.close())]);
    await Promise.all(this.#loops);
  }

  async #drive(reader: SourceReader<T, Split>, subtask: number): Promise<void> {
    const output: SourceOutput<T> = {
      emit: (value, splitId, timestampMs) => {
        this.elements.push({ value, splitId, timestampMs, subtask });
        if (this.elements.length === this.pauseAt) this.paused = true;
        return !this.paused;
      },
      splitFinished: (splitId) => this.finished.push(splitId),
    };
    try {
      while (!this.#stopped) {
        const step = this.paused ? 'later' : reader.poll(output, 256);
        if (step === 'end') {
          this.#ended += 1;
          return;
        }
        const tick = sleep(systemClock, step === 'more' ? 0 : LOOK_MS);
        await (step === 'later' && !this.paused ? Promise.race([reader.available(), tick]) : tick);
      }
    } catch (error) {
      this.failure ??= error;
    }
  }
}

function toBytes<V>(serializer: Serializer<V>, value: V): Uint8Array {
  const writer = new ByteWriter();
  serializer.write(value, writer);
  return writer.finish().slice();
}

function fromBytes<V>(serializer: Serializer<V>, bytes: Uint8Array): V {
  return serializer.read(new ByteReader(bytes));
}
