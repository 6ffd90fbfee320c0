/**
 * Which JobManagers stand by, for people: each says so in a blob of its own, again and again, and the
 * leader removes those that have stopped to. Nothing is decided by it. docs/formats/lease.md.
 */
import type { Cancel, Clock } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import { repeat } from '../../common/repeat.ts';
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';
import type { LeaseHolder } from './lease.ts';

const FOLDER = 'standbys';
const FORMAT = 1;
const KIND = 'standby';
/** How often a standby says that it is there, and the leader looks. */
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
  readonly #store: BlobStore;
  readonly #path: string;
  readonly #bytes: Uint8Array;
  readonly #cancel: Cancel;
  #etag: Etag | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Resolves when it was tried for the first time to say so. */
  readonly announced: Promise<void>;

  /** @param id No other standby has it. */
  constructor({ store, clock }: Place, id: string, holder: LeaseHolder) {
    this.#store = store;
    this.#path = `${FOLDER}/${id}`;
    const versions = { formatVersion: FORMAT, minReader: FORMAT };
    this.#bytes = encodeFramed(KIND, { ...versions, holder } as Versioned);
    this.#cancel = repeat(clock, ANNOUNCE_MS, () => (this.#writing = this.#write()));
    this.announced = this.#writing;
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#writing;
    await this.#store.delete([this.#path]).catch(() => undefined);
  }

  async #write(): Promise<void> {
    try {
      const etag = await this.#store.replaceIf(this.#path, this.#bytes, this.#etag);
      // The leader took us for gone, or an answer was lost.
      if (etag === 'changed') this.#etag = (await this.#store.read(this.#path))?.etag;
      else this.#etag = etag;
    } catch {
      // Next time.
    }
  }
}

/** As leader: removes the marks of standbys that are gone, again and again. */
export function sweepStandbys({ store, clock }: Place): Cancel {
  const seen = new Map<string, { readonly etag: Etag; readonly sinceMs: number }>();
  const look = async (): Promise<void> => {
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
  };
  // A storage that fails is asked again next time.
  return repeat(clock, ANNOUNCE_MS, () => look().catch(() => undefined));
}
