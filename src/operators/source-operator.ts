/**
 * A source's reader at the head of a chain. Splits come from the enumerator, or from the snapshot;
 * each has its own watermark generator, and its greatest timestamp is stored beside its progress, so
 * that both go to the same subtask when the job is rescaled.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { ReaderMetric, Source, SourceReader } from '../contracts/source.ts';
import type { ListState } from '../contracts/state.ts';
import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import { MAX_WATERMARK_MS } from '../runtime/element.ts';
import { WatermarkProgress, type Inline, type SplitProgress } from '../runtime/inline.ts';
import type {
  Operator,
  OperatorContext,
  OperatorEvent,
  OperatorOutput,
  SourcePosition,
} from '../runtime/operator.ts';
import { ByteReader } from '../serde/bytes.ts';
import { splitStateSerializer, type SplitState } from './split-state.ts';
import { WatermarkGenerators } from './watermark-generators.ts';
import { Ticker } from './watermark-ticker.ts';

export class SourceOperator implements Operator {
  readonly #source: Source<unknown>;
  readonly #strategy: WatermarkStrategy<unknown>;
  #inline: Inline | undefined;
  #splits: Splits | undefined;
  #stored: ListState<SplitState<unknown>> | undefined;
  #reader: SourceReader<unknown, unknown> | undefined;
  #output: OperatorOutput | undefined;
  #ticker: Ticker | undefined;
  #uid = '';

  constructor(source: Source<unknown>, strategy: WatermarkStrategy<unknown>) {
    this.#source = source;
    this.#strategy = strategy;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare(context: OperatorContext): void {
    const { world, flow, operatorState } = context;
    const strategy = this.#strategy;
    const splits = new Splits(
      new WatermarkGenerators({
        strategy,
        clock: world.clock,
        flow,
        output: () => this.#output,
      }),
    );
    this.#splits = splits;
    this.#stored = operatorState.listState('splits', splitStateSerializer(this.#source.splits));
    this.#inline = {
      kind: 'source',
      splits,
      timestamp: strategy.timestamp,
      hasWatermarks: strategy.generator.kind !== 'none',
      hasIdleness: strategy.idlenessMs !== undefined,
    };
  }

  async open(context: OperatorContext): Promise<void> {
    const { output, world, uid, subtask, parallelism, autoWatermarkIntervalMs } = context;
    this.#output = output;
    this.#uid = uid;
    const reader = this.#source.reader({
      world,
      uid,
      subtask,
      parallelism,
      requestSplit: () => {
        context.toCoordinator({ kind: 'request-split' });
      },
    });
    this.#reader = reader;
    const { generators } = this.#opened();
    generators.restore(context.restoredWatermarkMs);
    const restored = this.#stored?.get() ?? [];
    for (const { split, maxTimestampMs } of restored) {
      generators.add(this.#source.splitId(split), maxTimestampMs);
    }
    if (restored.length > 0) reader.addSplits(restored.map(({ split }) => split));
    await reader.start();
    const intervalMs =
      autoWatermarkIntervalMs > 0 ? autoWatermarkIntervalMs : (this.#strategy.idlenessMs ?? 0);
    this.#ticker = new Ticker(context, intervalMs, () => {
      generators.tick();
    });
  }

  processElement(): void {
    assert(false, 'a source has no input');
  }

  poll(limit: number): 'more' | 'later' | 'end' {
    const out = this.#output?.source;
    assert(out !== undefined && this.#reader !== undefined, 'a source is polled before open');
    return this.#reader.poll(out, limit);
  }

  metrics(): ReaderMetric[] {
    return this.#reader?.metrics?.() ?? [];
  }

  available(): Promise<void> {
    return this.#reader?.available() ?? Promise.resolve();
  }

  operatorEvent(event: OperatorEvent): void {
    const reader = this.#reader;
    assert(reader !== undefined, 'a source gets events before open');
    switch (event.kind) {
      case 'add-splits': {
        const { generators } = this.#opened();
        const splits = event.splits.map((bytes) => this.#source.splits.read(new ByteReader(bytes)));
        for (const split of splits) generators.add(this.#source.splitId(split));
        reader.addSplits(splits);
        return;
      }
      case 'no-more-splits':
        reader.noMoreSplits();
        return;
      case 'request-split':
        assert(false, 'only readers ask for splits');
    }
  }

  endInput(): void {
    this.#ticker?.stop();
    this.#output?.idle(false);
    this.#output?.watermark(MAX_WATERMARK_MS);
  }

  snapshot({ checkpointId }: CheckpointBarrier): void {
    const { generators } = this.#opened();
    const states = (this.#reader?.snapshot(checkpointId) ?? []).map((split) => ({
      split,
      maxTimestampMs: generators.get(this.#source.splitId(split))?.maxTimestampMs ?? -Infinity,
    }));
    this.#stored?.update(states);
  }

  confirmed(checkpointId: number): void {
    this.#reader?.checkpointCompleted?.(checkpointId);
  }

  position(): SourcePosition {
    return { ...this.#reader?.position?.(), source: this.#uid };
  }

  async close(): Promise<void> {
    this.#ticker?.stop();
    await this.#reader?.close();
  }

  #opened(): Splits {
    assert(this.#splits !== undefined, 'a source is used before declare');
    return this.#splits;
  }
}

/** Which split is being read; what the generated chain looks at for each element. */
class Splits implements SplitProgress {
  readonly generators: WatermarkGenerators;
  splitId: string | undefined = undefined;
  progress = new WatermarkProgress(() => undefined);
  recordsRead = 0;

  constructor(generators: WatermarkGenerators) {
    this.generators = generators;
  }

  select(splitId: string): void {
    this.progress = this.generators.add(splitId);
    this.splitId = splitId;
  }

  finished(splitId: string): void {
    this.generators.remove(splitId);
    if (this.splitId === splitId) this.splitId = undefined;
  }
}
