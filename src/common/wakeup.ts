/**
 * Lets one side sleep until the other has something. A wake-up that comes while nobody waits is
 * kept for the next `wait`; several count as one.
 */
export class Wakeup {
  #pending = false;
  #sleeper: Sleeper | undefined;

  wake(): void {
    if (this.#sleeper === undefined) {
      this.#pending = true;
      return;
    }
    const { resolve } = this.#sleeper;
    this.#sleeper = undefined;
    resolve();
  }

  wait(): Promise<void> {
    if (this.#pending) {
      this.#pending = false;
      return Promise.resolve();
    }
    this.#sleeper ??= newSleeper();
    return this.#sleeper.promise;
  }
}

interface Sleeper {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function newSleeper(): Sleeper {
  let wake = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    wake = resolve;
  });
  return { promise, resolve: wake };
}
