/**
 * Which JobManagers stand by, for people: each says so in a blob of its own, again and again, and the
 * leader removes those that have stopped to. Nothing is decided by it. docs/formats/lease.md.
 */
import { sleep, type Clock } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';
import type { LeaseHolder } from './lease.ts';

const FOLDER = 'standbys';
const FORMAT = 1;
const KIND = 'standby';
/** How often a standby says that it is there. */
const ANNOUNCE_MS = 5_000;
/** One that has said nothing for so long, by the leader's own time, is shown no more. */
const SILENT_MS = 20_000;

interface Place {
  readonly store: BlobStore;
  readonly clock: Clock;
}

/** Those that stand by, or did until a moment ago. What cannot be read is left out. */
export async function readStandbys(store: BlobStore): Promise<readonly LeaseHolder[]> {
  const found: LeaseHolder[] = [];
  for await (const { path } of store.list(FOLDER)) {
    try {
      const blob = await store.read(path);
      if (blob === undefined) continue;
      const options = { kind: KIND, path: `${store.url}/${path}`, reader: FORMAT };
      found.push((decodeFramed(blob.bytes, options) as Versioned & { holder: LeaseHolder }).holder);
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'unavailable') throw error;
    }
  }
  return found;
}

/** Says that this process stands by, until it is closed. A storage that fails is asked again later. */
export class StandbyMark {
  readonly #place: Place;
  readonly #path: string;
  readonly #bytes: Uint8Array;
  #etag: Etag | undefined;
  #isClosed = false;
  #writing: Promise<void> = Promise.resolve();

  /** @param id No other standby has it. */
  constructor(place: Place, id: string, holder: LeaseHolder) {
    this.#place = place;
    this.#path = `${FOLDER}/${id}`;
    const versions = { formatVersion: FORMAT, minReader: FORMAT };
    this.#bytes = encodeFramed(KIND, { ...versions, holder } as Versioned);
    this.#announce();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    await this.#place.store.delete([this.#path]).catch(() => undefined);
  }

  #announce(): void {
    if (this.#isClosed) return;
    this.#writing = this.#write();
    this.#place.clock.after(ANNOUNCE_MS, () => {
      this.#announce();
    });
  }

  async #write(): Promise<void> {
    const { store } = this.#place;
    try {
      const etag = await store.replaceIf(this.#path, this.#bytes, this.#etag);
      // The leader took us for gone, or an answer was lost.
      if (etag === 'changed') this.#etag = (await store.read(this.#path))?.etag;
      else this.#etag = etag;
    } catch {
      // Next time.
    }
  }
}

/** As leader: removes the marks of standbys that are gone. Ends when `isOver` says so. */
export async function sweepStandbys({ store, clock }: Place, isOver: () => boolean): Promise<void> {
  const seen = new Map<string, { readonly etag: Etag; readonly sinceMs: number }>();
  while (!isOver()) {
    try {
      for await (const { path } of store.list(FOLDER)) {
        const etag = (await store.read(path))?.etag;
        if (etag === undefined) continue;
        const nowMs = clock.monotonicMs();
        const before = seen.get(path);
        if (before?.etag !== etag) seen.set(path, { etag, sinceMs: nowMs });
        else if (nowMs - before.sinceMs >= SILENT_MS) {
          await store.delete([path]);
          seen.delete(path);
        }
      }
    } catch {
      // Next time.
    }
    await sleep(clock, ANNOUNCE_MS);
  }
}
