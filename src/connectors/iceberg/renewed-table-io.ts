import type { Clock } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import type { Bytes } from '../../storage/blob-store.ts';
import { REFUSED_WRITE } from '../../storage/storage-errors.ts';
import type { TableFile, TableIo } from './table-io.ts';

/** A way to a table's files that may end. */
export interface TimedAccess {
  readonly io: TableIo;
  /** Undefined: it is not known. */
  readonly expiresAtMs: number | undefined;
}

interface Current extends TimedAccess {
  readonly sinceMs: number;
}

/** Keys are renewed so long before they end, or at half of their time if that is later. */
const RENEW_BEFORE_MS = 5 * 60_000;

/**
 * The files of a table whose keys a catalog has handed out. Keys are renewed before they end, and when the
 * store refuses them. While the catalog does not answer, keys that have not ended are used on.
 */
export class RenewedTableIo implements TableIo {
  readonly root: string;
  readonly #clock: Clock;
  readonly #renew: () => Promise<TimedAccess>;
  #current: Current;
  #renewing: Promise<Current> | undefined;

  /** @param renew Asks the catalog; one at a time. */
  constructor(first: TimedAccess, renew: () => Promise<TimedAccess>, clock: Clock) {
    this.root = first.io.root;
    this.#clock = clock;
    this.#renew = renew;
    this.#current = { ...first, sinceMs: clock.wallMs() };
  }

  /** The catalog has said something newer. */
  offer(access: TimedAccess): void {
    this.#current = { ...access, sinceMs: this.#clock.wallMs() };
  }

  read(location: string): Promise<Uint8Array | undefined> {
    return this.#run((io) => io.read(location));
  }

  readPart(location: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return this.#run((io) => io.readPart(location, offset, length));
  }

  exists(location: string): Promise<boolean> {
    return this.#run((io) => io.exists(location));
  }

  create(location: string, bytes: Bytes): Promise<'done' | 'taken'> {
    return this.#run((io) => io.create(location, bytes));
  }

  replace(location: string, bytes: Uint8Array): Promise<void> {
    return this.#run((io) => io.replace(location, bytes));
  }

  async *list(folder: string): AsyncIterable<TableFile> {
    const { io } = await this.#valid();
    yield* io.list(folder);
  }

  delete(locations: readonly string[]): Promise<void> {
    return this.#run((io) => io.delete(locations));
  }

  async #run<R>(operate: (io: TableIo) => Promise<R>): Promise<R> {
    const access = await this.#valid();
    try {
      return await operate(access.io);
    } catch (error) {
      if (!isRefused(error)) throw error;
      // Another operation may have renewed them meanwhile.
      const next = this.#current === access ? await this.#renewed() : this.#current;
      return operate(next.io);
    }
  }

  async #valid(): Promise<Current> {
    const { expiresAtMs, sinceMs } = this.#current;
    if (expiresAtMs === undefined) return this.#current;
    const beforeMs = Math.min(RENEW_BEFORE_MS, (expiresAtMs - sinceMs) / 2);
    const nowMs = this.#clock.wallMs();
    if (nowMs < expiresAtMs - beforeMs) return this.#current;
    const current = this.#current;
    return this.#renewed().catch((error: unknown) => {
      if (nowMs < expiresAtMs) return current;
      throw error;
    });
  }

  #renewed(): Promise<Current> {
    this.#renewing ??= this.#renew()
      .then((access) => {
        this.offer(access);
        return this.#current;
      })
      .finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }
}

/**
 * Whether the store has refused the keys, and has certainly done nothing. A write that may have been done is
 * not made again here: it would meet itself.
 */
function isRefused(error: unknown): boolean {
  if (!(error instanceof EngineError)) return false;
  if (error.code === REFUSED_KEYS) return true;
  return error.code === REFUSED_WRITE && isRefused(error.cause);
}

const REFUSED_KEYS = 'STO-020';
