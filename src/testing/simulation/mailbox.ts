import type { SimulatedProcess } from './simulated-process.ts';

/** Messages to one simulated process, which come in order: events of one moment would not. */
export class Mailbox {
  readonly #owner: SimulatedProcess;
  readonly #label: string;
  readonly #waiting: (() => void)[] = [];

  constructor(owner: SimulatedProcess, label: string) {
    this.#owner = owner;
    this.#label = label;
  }

  /** Runs `receive` in the process, behind all that was posted before. */
  post(receive: () => void): void {
    this.#waiting.push(receive);
    this.#owner.schedule(this.#label, 'turn', () => {
      this.#waiting.shift()?.();
    });
  }
}
