import { assert } from '../../common/assert.ts';
import { EngineError } from '../../common/errors.ts';
import { randomHex, type Random } from '../../common/random.ts';
import type { ClusterLeader } from '../../checkpoint/head.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { jobStoreBusyError, lostBundleError, storeTakenError } from './dispatcher-errors.ts';
import {
  encodeJobIndex,
  INDEX_PATH,
  readJobIndex,
  type FoundIndex,
  type IndexContent,
  type JobIndex,
} from './job-index.ts';

const TRIES_MAX = 3;
/** The leader before may still be changing it; each time is a race lost. */
const TAKE_OVER_TRIES_MAX = 50;
const NONCE_LENGTH = 16;
/** The epoch of the leader that made it; what is behind that is drawn. */
const MADE_BY = /^(\d+)-[0-9a-f]+(?:-(?:old|new))?$/;

export interface LedIndexOptions {
  /** The cluster's folder. */
  readonly store: BlobStore;
  readonly random: Random;
  /** For whom this process leads. */
  readonly leader: ClusterLeader;
}

/**
 * The index of the store of jobs under this process's leadership, and the files that it names.
 *
 * Always holds: once a later leader has taken the store over, every change by an earlier one fails with `fenced`
 * and changes nothing, and nothing that a later leader needs is removed.
 */
export class LedIndex {
  readonly #options: LedIndexOptions;
  readonly #store: BlobStore;
  #found: FoundIndex | undefined;
  /** The index is changed by one call at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: LedIndexOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /**
   * Makes the store this leader's, and every earlier leader a fenced one. Before anything else.
   *
   * @throws {EngineError} `JOB-035` (`fenced`) if a later leader has it; `JOB-054`, `STO-…` (`unavailable`).
   */
  async takeOver(): Promise<void> {
    const { leader, random } = this.#options;
    const nonce = randomHex(random, NONCE_LENGTH);
    let cause: unknown;
    for (let tries = 0; tries < TAKE_OVER_TRIES_MAX; tries += 1) {
      try {
        const found = await readJobIndex(this.#store);
        if (found?.index.nonce === nonce) {
          this.#hold(found);
          return;
        }
        this.#requireNoLater(found?.index);
        const { jobs = [], upgrades = [] } = found?.index ?? {};
        const index = { leader, nonce, jobs, upgrades };
        const etag = await this.#store.replaceIf(INDEX_PATH, encodeJobIndex(index), found?.etag);
        if (etag !== 'changed') {
          this.#hold({ index, etag });
          return;
        }
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        cause = error;
        if (tries + 1 >= TRIES_MAX) break;
      }
    }
    // The last try may have succeeded with its answer lost.
    const found = await readJobIndex(this.#store);
    if (found?.index.nonce !== nonce) throw jobStoreBusyError(this.#urlOf(INDEX_PATH), cause);
    this.#hold(found);
  }

  /** As this process last knew it. */
  get content(): IndexContent {
    return this.#held().index;
  }

  /** For what is made now: given once, so that a removal that comes late, or is another's, hits nothing new. */
  nameOf(drawn: string): string {
    return `${this.#options.leader.epoch}-${drawn}`;
  }

  /** What is in a folder beside what is used, as far as it is this leader's to judge. */
  async unused(folder: string, used: ReadonlySet<string>): Promise<readonly string[]> {
    const unused: string[] = [];
    for await (const { path } of this.#store.list(folder)) {
      // What a later leader makes is not ours to judge, though we may not know of it yet.
      const name = path.slice(folder.length + 1);
      const [, madeBy] = MADE_BY.exec(name) ?? [];
      if (Number(madeBy) <= this.#options.leader.epoch && !used.has(name)) unused.push(path);
    }
    return unused;
  }

  /** A file that is not there may be gone because a later leader has removed it. @throws {EngineError} `JOB-035` (`fenced`) */
  async lostError(path: string): Promise<EngineError> {
    await this.#reread();
    return lostBundleError(this.#urlOf(path));
  }

  /** @throws {EngineError} `STO-…` (`unavailable`), `JOB-036` (`corrupt`) if another file is there. */
  async createOnce(path: string, bytes: Uint8Array): Promise<void> {
    const stored = await this.#store.create(path, bytes).catch((error: unknown) => {
      if (isUnavailable(error)) return this.#store.create(path, bytes);
      throw error;
    });
    if (stored !== 'taken') return;
    const found = await this.#store.read(path);
    if (found === undefined || Buffer.compare(found.bytes, bytes) !== 0) {
      throw lostBundleError(this.#urlOf(path));
    }
  }

  /**
   * @param next Must lead to the same when it is applied to its own result: after a lost answer it is.
   * @throws {EngineError} `STO-…`, `JOB-054` (`unavailable`): it may be changed or not.
   * @throws {EngineError} `JOB-035` (`fenced`): a later leader has it, and nothing is changed.
   */
  change(next: (now: IndexContent) => Partial<IndexContent>): Promise<void> {
    const changed = this.#last.then(
      () => this.#swap(next),
      () => this.#swap(next),
    );
    this.#last = changed.catch(() => undefined);
    return changed;
  }

  async #swap(next: (now: IndexContent) => Partial<IndexContent>): Promise<void> {
    const nonce = randomHex(this.#options.random, NONCE_LENGTH);
    let cause: unknown;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { index: before, etag: expected } = this.#held();
      const index: JobIndex = { ...before, ...next(before), nonce };
      try {
        const etag = await this.#store.replaceIf(INDEX_PATH, encodeJobIndex(index), expected);
        if (etag !== 'changed') {
          this.#hold({ index, etag });
          return;
        }
        const found = await this.#reread();
        if (found.index.nonce === nonce) return;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        cause = error;
      }
    }
    if ((await this.#reread()).index.nonce === nonce) return;
    throw jobStoreBusyError(this.#urlOf(INDEX_PATH), cause);
  }

  async #reread(): Promise<FoundIndex> {
    const found = await readJobIndex(this.#store);
    const { leader } = this.#options;
    const now = found?.index.leader;
    if (found === undefined || now?.leaseId !== leader.leaseId || now.epoch !== leader.epoch) {
      throw storeTakenError(this.#urlOf(INDEX_PATH), leader.epoch, now?.epoch);
    }
    this.#hold(found);
    return found;
  }

  #requireNoLater(index: JobIndex | undefined): void {
    const { leaseId, epoch } = this.#options.leader;
    if (index?.leader.leaseId !== leaseId || index.leader.epoch <= epoch) return;
    throw storeTakenError(this.#urlOf(INDEX_PATH), epoch, index.leader.epoch);
  }

  #held(): FoundIndex {
    assert(this.#found !== undefined, 'the store of jobs is taken over before it is used');
    return this.#found;
  }

  #hold(found: FoundIndex): void {
    this.#found = found;
  }

  #urlOf(path: string): string {
    return `${this.#store.url}/${path}`;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof EngineError && error.kind === 'unavailable';
}
