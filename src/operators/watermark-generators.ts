/**
 * The watermark of a set of generators, as a source has one per split: the least of the active ones,
 * never going back. A generator is idle when no element came for `idlenessMs`; it is active again
 * with its next element, at once.
 */
import type { Clock } from '../common/clock.ts';
import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import { WatermarkProgress } from '../runtime/inline.ts';
import type { FlowControl, OperatorOutput } from '../runtime/operator.ts';

interface Generator {
  readonly progress: WatermarkProgress;
  /** Monotonic time at which an element was last known to have come. */
  activeMs: number;
  idle: boolean;
}

export interface WatermarkGeneratorsOptions {
  readonly strategy: WatermarkStrategy<unknown>;
  readonly clock: Clock;
  readonly flow: FlowControl;
  readonly output: () => OperatorOutput | undefined;
}

export class WatermarkGenerators {
  readonly #options: WatermarkGeneratorsOptions;
  readonly #generators = new Map<string, Generator>();
  /** When the last generator went away, or the first is awaited. */
  #emptyMs: number;
  #lastMs = -Infinity;
  #idle = false;

  constructor(options: WatermarkGeneratorsOptions) {
    this.#options = options;
    this.#emptyMs = options.clock.monotonicMs();
  }

  /** @param maxTimestampMs What it had seen before a restore. */
  add(id: string, maxTimestampMs = -Infinity): WatermarkProgress {
    const known = this.#generators.get(id);
    if (known !== undefined) return known.progress;
    const progress = new WatermarkProgress(() => {
      this.#activated(generator);
    });
    progress.maxTimestampMs = maxTimestampMs;
    const activeMs = this.#options.clock.monotonicMs();
    const generator: Generator = { progress, activeMs, idle: false };
    this.#generators.set(id, generator);
    this.#setIdle(false);
    return progress;
  }

  get(id: string): WatermarkProgress | undefined {
    return this.#generators.get(id)?.progress;
  }

  remove(id: string): void {
    this.#generators.delete(id);
    if (this.#generators.size === 0) this.#emptyMs = this.#options.clock.monotonicMs();
  }

  /** Nothing below it comes out. */
  restore(watermarkMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, watermarkMs);
  }

  /** Looks who is idle, and emits the watermark if it has grown. */
  tick(): void {
    const { strategy, flow, clock } = this.#options;
    if (strategy.idlenessMs !== undefined) this.#watch(strategy.idlenessMs, clock.monotonicMs());
    if (!flow.stop) this.#emit();
  }

  #emit(): void {
    const { generator } = this.#options.strategy;
    if (generator.kind === 'none') return;
    let leastMs = Infinity;
    for (const { progress, idle } of this.#generators.values()) {
      if (!idle) leastMs = Math.min(leastMs, progress.maxTimestampMs);
    }
    const watermarkMs = leastMs - generator.outOfOrdernessMs - 1;
    if (watermarkMs === Infinity || watermarkMs <= this.#lastMs) return;
    this.#lastMs = watermarkMs;
    this.#options.output()?.watermark(watermarkMs);
  }

  #watch(idlenessMs: number, nowMs: number): void {
    let isIdle = true;
    for (const generator of this.#generators.values()) {
      // While the task is blocked nothing can come: that is not the generator's idleness.
      if (generator.progress.active || this.#options.flow.stop) {
        generator.activeMs = nowMs;
        generator.progress.active = false;
      }
      generator.idle = nowMs - generator.activeMs >= idlenessMs;
      if (!generator.idle) isIdle = false;
    }
    if (this.#generators.size === 0) isIdle = nowMs - this.#emptyMs >= idlenessMs;
    this.#setIdle(isIdle);
  }

  #activated(generator: Generator): void {
    generator.idle = false;
    this.#setIdle(false);
  }

  #setIdle(idle: boolean): void {
    if (this.#idle === idle) return;
    this.#idle = idle;
    this.#options.output()?.idle(idle);
  }
}
