import { randomInt, type Random } from '../../common/random.ts';

/** What a disk writes in one piece. */
const BLOCK_BYTES = 512;

/** A file of a simulated disk: its bytes now, and its bytes after a crash. */
export class DiskFile {
  readonly kind = 'file';
  readonly id: number;
  modifiedMs = 0;
  #bytes = new Uint8Array(0);
  #size = 0;
  #durable = new Uint8Array(0);
  /** Ranges of `#bytes` that were written since the last sync. */
  #dirty: [start: number, end: number][] = [];

  constructor(id: number) {
    this.id = id;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, position);
    this.#size = Math.max(this.#size, end);
    if (bytes.length > 0) this.#dirty.push([position, end]);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes > this.#size) {
      this.write(this.#size, new Uint8Array(sizeBytes - this.#size));
      return;
    }
    this.#bytes.fill(0, sizeBytes, this.#size);
    this.#size = sizeBytes;
    this.#dirty = this.#dirty
      .map(([start, end]): [number, number] => [start, Math.min(end, sizeBytes)])
      .filter(([start, end]) => start < end);
  }

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(offset + length, this.#size);
    return this.#bytes.slice(Math.min(offset, end), end);
  }

  /** Writes back what is dirty: after a failed sync that is not all that was lost. */
  sync(): void {
    const durable = new Uint8Array(this.#size);
    durable.set(this.#durable.subarray(0, this.#size));
    for (const [start, end] of this.#dirty) durable.set(this.#bytes.subarray(start, end), start);
    this.#durable = durable;
    this.#dirty = [];
  }

  /**
   * A failed sync, as on Linux: some of it is on the platter, and the rest counts as clean, so that
   * no later sync writes it.
   */
  failSync(random: Random): void {
    this.#durable = this.#torn(random);
    this.#dirty = [];
  }

  /** Turns one bit of what is stored. */
  flip(bit: number): void {
    const index = Math.floor(bit / 8);
    for (const bytes of [this.#bytes, this.#durable]) {
      const byte = bytes[index];
      if (byte !== undefined) bytes[index] = byte ^ (1 << (bit % 8));
    }
  }

  crash(random: Random): void {
    this.#bytes = this.#afterCrash(random);
    this.#size = this.#bytes.length;
    this.#durable = this.#bytes.slice();
    this.#dirty = [];
  }

  #afterCrash(random: Random): Uint8Array<ArrayBuffer> {
    const isClean = this.#dirty.length === 0 && this.#durable.length === this.#size;
    if (isClean) return this.#durable.slice();
    switch (randomInt(random, 3)) {
      case 0:
        return this.#durable.slice();
      case 1:
        this.sync();
        return this.#durable.slice();
      default:
        return this.#torn(random);
    }
  }

  /** A mix of old and new, cut at a byte or scattered by blocks; grown parts may be zeros. */
  #torn(random: Random): Uint8Array<ArrayBuffer> {
    const least = Math.min(this.#durable.length, this.#size);
    const most = Math.max(this.#durable.length, this.#size);
    const torn = new Uint8Array(least + randomInt(random, most - least + 1));
    torn.set(this.#durable.subarray(0, torn.length));
    const cut = randomInt(random, this.#size + 1);
    const byBlocks = random.next() < 0.5;
    for (const [start, end] of this.#dirty) {
      if (byBlocks) this.#copyBlocks(torn, start, Math.min(end, torn.length), random);
      else this.#copy(torn, start, Math.min(end, cut, torn.length));
    }
    return torn;
  }

  #copyBlocks(to: Uint8Array, start: number, end: number, random: Random): void {
    for (let at = start; at < end;) {
      const next = Math.min(end, (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES);
      if (random.next() < 0.5) this.#copy(to, at, next);
      at = next;
    }
  }

  #copy(to: Uint8Array, start: number, end: number): void {
    if (start < end) to.set(this.#bytes.subarray(start, end), start);
  }
}
