import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import { MAX_WATERMARK_MS } from '../runtime/element.ts';
import { WatermarkProgress, type Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { WatermarkGenerators } from './watermark-generators.ts';
import { Ticker } from './watermark-ticker.ts';

const ONLY = 'all';

/**
 * Gives elements new timestamps and makes the watermarks that follow from them. As in Flink,
 * watermarks and idleness from before do not count, save the last one of a bounded stream.
 */
export class AssignTimestampsOperator implements Operator {
  readonly #strategy: WatermarkStrategy<unknown>;
  #inline: Inline | undefined;
  #progress = new WatermarkProgress(() => undefined);
  #generators: WatermarkGenerators | undefined;
  #output: OperatorOutput | undefined;
  #ticker: Ticker | undefined;

  constructor(strategy: WatermarkStrategy<unknown>) {
    this.#strategy = strategy;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare(context: OperatorContext): void {
    const strategy = this.#strategy;
    this.#generators = new WatermarkGenerators({
      strategy,
      clock: context.world.clock,
      flow: context.flow,
      output: () => this.#output,
    });
    this.#progress = this.#generators.add(ONLY);
    this.#inline = {
      kind: 'assign-timestamps',
      progress: this.#progress,
      timestamp: strategy.timestamp,
      hasWatermarks: strategy.generator.kind !== 'none',
      hasIdleness: strategy.idlenessMs !== undefined,
    };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#generators?.restore(context.restoredWatermarkMs);
    const intervalMs = context.autoWatermarkIntervalMs;
    this.#ticker = new Ticker(context, intervalMs, () => this.#generators?.tick());
  }

  processElement(value: unknown, timestampMs: number): void {
    const timestamp = this.#strategy.timestamp?.(value) ?? timestampMs;
    this.#progress.maxTimestampMs = Math.max(this.#progress.maxTimestampMs, timestamp);
    if (!this.#progress.active) this.#progress.activate();
    this.#output?.emit(value, timestamp);
  }

  processWatermark(watermarkMs: number): void {
    if (watermarkMs !== MAX_WATERMARK_MS) return;
    this.#ticker?.stop();
    this.#output?.idle(false);
    this.#output?.watermark(watermarkMs);
  }

  processIdle(): void {
    // Idleness is judged anew here.
  }

  endInput(): void {
    this.#ticker?.stop();
  }

  close(): void {
    this.#ticker?.stop();
  }
}
