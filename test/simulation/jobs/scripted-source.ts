/*
 * A bounded source that follows a script: which element comes after which wait. A restored reader
 * waits anew for its next element, so that a pause in the script is there in every run, however
 * often it is killed in it.
 */
import { z } from 'zod';
import {
  toSerializer,
  type Clock,
  type EnumeratorContext,
  type ReaderContext,
  type Source,
  type SourceOutput,
  type SourceReader,
  type SplitEnumerator,
} from '../../../src/index.ts';

export interface Step<T> {
  readonly value: T;
  /** After the element before. */
  readonly waitMs: number;
}

const Split = z.object({ id: z.number(), next: z.number() });
type Split = z.infer<typeof Split>;

/** One split per script. The elements of a split stay in order. */
export function scripted<T>(
  ...scripts: readonly (readonly Step<T>[])[]
): Source<T, Split, Split[]> {
  return {
    kind: 'scripted',
    boundedness: 'bounded',
    splits: toSerializer(Split),
    enumeratorState: toSerializer(z.array(Split)),
    splitId: ({ id }) => String(id),
    enumerator: (context, from) =>
      new ScriptEnumerator(context, from ?? scripts.map((_, id) => ({ id, next: 0 }))),
    reader: (context) => new ScriptReader(context, scripts),
  };
}

/** `values` with one wait between all of them. */
export function every<T>(waitMs: number, values: readonly T[]): Step<T>[] {
  return values.map((value) => ({ value, waitMs }));
}

class ScriptEnumerator implements SplitEnumerator<Split[]> {
  readonly #context: EnumeratorContext<Split>;
  readonly #pending: Split[];

  constructor(context: EnumeratorContext<Split>, pending: readonly Split[]) {
    this.#context = context;
    this.#pending = [...pending];
  }

  async start(): Promise<void> {
    // The scripts are known.
  }

  splitRequested(subtask: number): void {
    const split = this.#pending.shift();
    if (split === undefined) this.#context.noMoreSplits(subtask);
    else this.#context.assign(split, subtask);
  }

  snapshot(): Split[] {
    return [...this.#pending];
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

interface Reading {
  readonly id: number;
  next: number;
  dueMs: number;
}

class ScriptReader<T> implements SourceReader<T, Split> {
  readonly #context: ReaderContext;
  readonly #clock: Clock;
  readonly #scripts: readonly (readonly Step<T>[])[];
  readonly #splits: Reading[] = [];
  #noMore = false;
  #wake: (() => void) | undefined;

  constructor(context: ReaderContext, scripts: readonly (readonly Step<T>[])[]) {
    this.#context = context;
    this.#clock = context.world.clock;
    this.#scripts = scripts;
  }

  start(): void {
    if (this.#splits.length === 0) this.#context.requestSplit();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    for (let emitted = 0; emitted < limit;) {
      const nowMs = this.#clock.monotonicMs();
      const split = this.#splits.find(({ dueMs }) => dueMs <= nowMs);
      if (split === undefined) return this.#noMore && this.#splits.length === 0 ? 'end' : 'later';
      const step = this.#scripts[split.id]?.[split.next];
      if (step === undefined) {
        this.#splits.splice(this.#splits.indexOf(split), 1);
        out.splitFinished(String(split.id));
        continue;
      }
      split.next += 1;
      split.dueMs = this.#dueAfter(split, nowMs);
      emitted += 1;
      if (!out.emit(step.value, String(split.id))) break;
    }
    return 'more';
  }

  available(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const waitMs = Math.min(...this.#splits.map(({ dueMs }) => dueMs)) - nowMs;
    return new Promise((resolve) => {
      const cancel =
        waitMs < Infinity ? this.#clock.after(Math.max(0, waitMs), resolve) : undefined;
      this.#wake = () => {
        cancel?.();
        resolve();
      };
    });
  }

  addSplits(splits: readonly Split[]): void {
    const nowMs = this.#clock.monotonicMs();
    for (const { id, next } of splits) {
      this.#splits.push({ id, next, dueMs: this.#dueAfter({ id, next }, nowMs) });
    }
    // All splits are read side by side, as partitions of a log are.
    this.#context.requestSplit();
    this.#wake?.();
  }

  noMoreSplits(): void {
    this.#noMore = true;
    this.#wake?.();
  }

  snapshot(): Split[] {
    return this.#splits.map(({ id, next }) => ({ id, next }));
  }

  async close(): Promise<void> {
    this.#wake?.();
  }

  #dueAfter({ id, next }: Split, nowMs: number): number {
    return nowMs + (this.#scripts[id]?.[next]?.waitMs ?? 0);
  }
}
