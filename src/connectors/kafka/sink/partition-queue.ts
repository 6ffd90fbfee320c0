/**
 * The batches of one partition on their way to its leader: a pure state machine.
 *
 *   waiting ──next──► in flight ──done──► gone
 *      ▲                  │
 *      └── all answered ──┴─again─► returned
 *
 * Always holds: batches are sent in their order, also those that are sent again: once one has come back,
 * nothing is sent until every other one in flight is answered. Batches of two owners are never in
 * flight together, since the broker keeps the order within one producer id only.
 */

export interface QueuedBatch {
  /** Whose sequence numbers it has. */
  readonly owner: object;
}

/** Java's limit; the broker remembers as many to tell a batch that it gets twice. */
export const IN_FLIGHT_MAX = 5;

export class PartitionQueue<B extends QueuedBatch> {
  #waiting: B[] = [];
  /** In the order in which they were sent. */
  #inFlight: B[] = [];
  /** To be sent again; in the order of their answers. */
  #returned: B[] = [];
  readonly #order = new Map<B, number>();
  #count = 0;

  add(batch: B): void {
    this.#order.set(batch, this.#count++);
    this.#waiting.push(batch);
  }

  /** Nothing is on its way, and nothing waits to be. */
  get isIdle(): boolean {
    return this.#order.size === 0;
  }

  get hasInFlight(): boolean {
    return this.#inFlight.length > 0;
  }

  /** The batch that `next` would return. */
  peek(): B | undefined {
    const [first] = this.#waiting;
    const [oldest] = this.#inFlight;
    if (first === undefined || this.#returned.length > 0) return undefined;
    if (oldest === undefined) return first;
    const isFull = this.#inFlight.length >= IN_FLIGHT_MAX;
    return isFull || oldest.owner !== first.owner ? undefined : first;
  }

  /** Takes the batch to be sent now, if there is one. */
  next(): B | undefined {
    const batch = this.peek();
    if (batch === undefined) return undefined;
    this.#waiting.shift();
    this.#inFlight.push(batch);
    return batch;
  }

  /** Whether no older batch is without a good answer: what is wrong with this one is its own fault. */
  isOldest(batch: B): boolean {
    const order = this.#order.get(batch);
    const [oldest] = this.#order.values();
    return order === oldest;
  }

  done(batch: B): void {
    this.#inFlight = this.#inFlight.filter((one) => one !== batch);
    this.#order.delete(batch);
    this.#regroup();
  }

  /** It must be sent again, and what was sent behind it most likely too. */
  again(batch: B): void {
    this.#inFlight = this.#inFlight.filter((one) => one !== batch);
    this.#returned.push(batch);
    this.#regroup();
  }

  #regroup(): void {
    if (this.#returned.length === 0 || this.#inFlight.length > 0) return;
    const orderOf = (batch: B): number => this.#order.get(batch) ?? 0;
    this.#returned.sort((a, b) => orderOf(a) - orderOf(b));
    this.#waiting = [...this.#returned, ...this.#waiting];
    this.#returned = [];
  }
}
