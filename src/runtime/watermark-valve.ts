/**
 * Event time over several channels, as Flink's `StatusWatermarkValve`: the least watermark of the
 * active channels, never going back.
 *
 * A channel is *active* or *idle*. One that becomes active again but is behind what was already said
 * is not waited for until it has caught up (it is not *aligned*). When the last active channel
 * becomes idle, the greatest watermark of all counts: nobody is there to hold it back.
 */
export class WatermarkValve {
  readonly #watermarks: Float64Array;
  readonly #idle: Uint8Array;
  /** 1: counts for the minimum. Idle channels and those that have to catch up do not. */
  readonly #aligned: Uint8Array;
  #current: number;
  #allIdle = false;

  /** @param restoredMs What a restored snapshot says; nothing below it comes out again. */
  constructor(channels: number, restoredMs = -Infinity) {
    this.#watermarks = new Float64Array(channels).fill(-Infinity);
    this.#idle = new Uint8Array(channels);
    this.#aligned = new Uint8Array(channels).fill(1);
    this.#current = restoredMs;
  }

  /** The last watermark that came out; `-Infinity` if there is none. */
  currentMs(): number {
    return this.#current;
  }

  isIdle(): boolean {
    return this.#allIdle;
  }

  /** A channel's watermark. Returns the new one of all, or `undefined` if it stays. */
  watermark(channel: number, watermarkMs: number): number | undefined {
    const previous = this.#watermarks[channel] ?? Infinity;
    if (watermarkMs <= previous) return undefined;
    this.#watermarks[channel] = watermarkMs;
    if (this.#idle[channel] === 1) return undefined;
    if (watermarkMs >= this.#current) this.#aligned[channel] = 1;
    return this.#advance(this.#leastAligned());
  }

  /** A channel becomes idle or active. Returns the new watermark of all, or `undefined` if it stays. */
  status(channel: number, idle: boolean): number | undefined {
    if ((this.#idle[channel] === 1) === idle) return undefined;
    this.#idle[channel] = idle ? 1 : 0;
    if (!idle) {
      this.#allIdle = false;
      const isBehind = (this.#watermarks[channel] ?? -Infinity) < this.#current;
      this.#aligned[channel] = isBehind ? 0 : 1;
      return undefined;
    }
    this.#aligned[channel] = 0;
    this.#allIdle = this.#idle.every((one) => one === 1);
    return this.#advance(this.#allIdle ? Math.max(...this.#watermarks) : this.#leastAligned());
  }

  #leastAligned(): number {
    let least = Infinity;
    for (let channel = 0; channel < this.#watermarks.length; channel++) {
      if (this.#aligned[channel] === 1) {
        least = Math.min(least, this.#watermarks[channel] ?? Infinity);
      }
    }
    return least === Infinity ? -Infinity : least;
  }

  #advance(toMs: number): number | undefined {
    if (toMs <= this.#current) return undefined;
    this.#current = toMs;
    return toMs;
  }
}
