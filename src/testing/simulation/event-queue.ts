/** Who dies with its events, and whose events wait while it is frozen. */
export interface EventOwner {
  readonly alive: boolean;
  readonly frozen: boolean;
  readonly id: string;
}

/** One thing that will happen in a simulation. Its moment changes only while it is in no queue. */
export interface SimulatedEvent {
  atMs: number;
  /** Within one moment, events of a lower round go first: see `Simulation`. */
  round: number;
  /** Drawn at random: the order within a round. */
  tie: number;
  readonly label: string;
  /** `undefined` is the test itself. */
  readonly owner: EventOwner | undefined;
  readonly task: () => void;
  cancelled: boolean;
}

/** Events by time, then round, then tie: a binary heap. */
export class EventQueue {
  readonly #heap: SimulatedEvent[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(event: SimulatedEvent): void {
    const heap = this.#heap;
    heap.push(event);
    let at = heap.length - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isBefore(at, above)) break;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Takes out the first one that still counts. */
  pop(): SimulatedEvent | undefined {
    for (;;) {
      const event = this.#popAny();
      if (event === undefined) return undefined;
      if (!event.cancelled && event.owner?.alive !== false) return event;
    }
  }

  #popAny(): SimulatedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < heap.length && this.#isBefore(below, least)) least = below;
      }
      if (least === at) return first;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const a = this.#heap[left];
    const b = this.#heap[right];
    if (a === undefined || b === undefined) return false;
    if (a.atMs !== b.atMs) return a.atMs < b.atMs;
    if (a.round !== b.round) return a.round < b.round;
    return a.tie < b.tie;
  }

  #swap(left: number, right: number): void {
    const a = this.#heap[left];
    const b = this.#heap[right];
    if (a === undefined || b === undefined) return;
    this.#heap[left] = b;
    this.#heap[right] = a;
  }
}
