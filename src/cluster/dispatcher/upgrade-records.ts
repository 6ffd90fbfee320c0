/** Upgrades, where they outlive every process. docs/formats/job-store.md. */
import { createHash } from 'node:crypto';
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import type { SnapshotNotes } from '../../checkpoint/metadata.ts';
import { EngineError } from '../../common/errors.ts';
import { randomHex, type Random } from '../../common/random.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { JobSubmission } from './cluster.ts';
import type { IndexedUpgrade } from './job-index.ts';
import { withoutSecrets, withSecretsOf } from './job-record.ts';
import type { LedIndex } from './led-index.ts';
import { isUpgradeOver, type UpgradeState } from './upgrade-state.ts';

/** One version of the job: what is to be run, and under which id of the store. */
export interface UpgradeSide {
  readonly submissionId: string;
  readonly submission: JobSubmission;
  /** SHA-256 of its code, in hex. */
  readonly bundle: string;
}

/** What an upgrade is to do. Never changes. */
export interface UpgradeOrder {
  readonly upgradeId: string;
  readonly jobName: string;
  readonly atMs: number;
  /** So long the new version may take to be well. */
  readonly withinMs: number;
  /** Of the job's checkpoints. */
  readonly storageUrl: string;
  readonly oldJobId: string;
  /** As it ran. */
  readonly old: UpgradeSide;
  readonly new: UpgradeSide;
  /** Under which the old version runs again, if it comes to that. */
  readonly backSubmissionId: string;
  readonly savepoint: {
    readonly directory?: string | undefined;
    readonly drain: boolean;
    readonly notes: SnapshotNotes;
  };
}

export interface StoredUpgrade {
  readonly record: UpgradeOrder;
  readonly state: UpgradeState;
  /** Name of its record, and of the code of its sides. */
  readonly files: string;
}

export type SideName = 'old' | 'new';

export interface UpgradeRecordsOptions {
  readonly store: BlobStore;
  readonly random: Random;
  /** Settings of this process. */
  readonly own: FlinkSettings;
  readonly index: LedIndex;
}

const RECORDS = 'job-store/upgrades';
const BUNDLES = 'job-store/upgrade-bundles';
const SIDES: readonly SideName[] = ['old', 'new'];
const KIND = 'upgrade';
const FORMAT = 2;
/** Records of upgrades that are over, so that a client can still ask what became of one. */
const OVER_MAX = 20;
const NAME_LENGTH = 32;

/**
 * Always holds: an upgrade's state changes only in the index of the store of jobs, so once a later leader has taken
 * that over no earlier one moves it; while it is not over, the code of both versions is there.
 */
export class UpgradeRecords {
  readonly #options: UpgradeRecordsOptions;
  readonly #store: BlobStore;
  readonly #index: LedIndex;

  constructor(options: UpgradeRecordsOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#index = options.index;
  }

  /**
   * From here on whoever leads takes it to its end.
   *
   * @throws {EngineError} `STO-…`, `JOB-054` (`unavailable`): it may be there or not; `JOB-035` (`fenced`).
   */
  async add(
    record: UpgradeOrder,
    state: UpgradeState,
    code: Readonly<Record<SideName, Uint8Array>>,
  ): Promise<StoredUpgrade> {
    const { upgradeId } = record;
    const files = this.#index.nameOf(randomHex(this.#options.random, NAME_LENGTH));
    for (const side of SIDES) await this.#index.createOnce(pathOfCode(files, side), code[side]);
    await this.#index.createOnce(`${RECORDS}/${files}`, encode(record));
    await this.#index.change(({ upgrades }) => ({
      upgrades: [
        ...upgrades.filter((one) => one.upgradeId !== upgradeId),
        { upgradeId, files, state },
      ],
    }));
    return { record, state, files };
  }

  /** @throws {EngineError} as `add`. */
  async move(before: StoredUpgrade, state: UpgradeState): Promise<StoredUpgrade> {
    const { upgradeId } = before.record;
    await this.#index.change(({ upgrades }) => ({
      upgrades: upgrades.map((one) => (one.upgradeId === upgradeId ? { ...one, state } : one)),
    }));
    return { ...before, state };
  }

  /** The code of a version. @throws {EngineError} `JOB-036` (`corrupt`) if it is not there, or another one. */
  async code({ record, files }: StoredUpgrade, side: SideName): Promise<Uint8Array> {
    const path = pathOfCode(files, side);
    const found = await this.#store.read(path);
    const hash = found && createHash('sha256').update(found.bytes).digest('hex');
    if (found !== undefined && hash === record[side].bundle) return found.bytes;
    throw await this.#index.lostError(path);
  }

  /** Nothing needs its code any more: to be called when it is over. Best effort, the sweep does it otherwise. */
  async removeCode({ files }: StoredUpgrade): Promise<void> {
    await this.#store.delete(SIDES.map((side) => pathOfCode(files, side)));
  }

  /**
   * All, the oldest first; of those that are over the newest, and the others go.
   *
   * @throws {EngineError} `STO-…` (`unavailable`), `JOB-035` (`fenced`).
   */
  async list(): Promise<{
    readonly upgrades: readonly StoredUpgrade[];
    readonly problems: readonly unknown[];
  }> {
    await this.#forgetOldest();
    const upgrades: StoredUpgrade[] = [];
    const problems: unknown[] = [];
    for (const indexed of this.#index.content.upgrades) {
      try {
        upgrades.push(await this.#read(indexed));
      } catch (error) {
        if (error instanceof EngineError && error.kind !== 'corrupt' && error.kind !== 'invalid') {
          throw error;
        }
        problems.push(error);
      }
    }
    return { upgrades, problems };
  }

  /** Removes what crashes left. Not beside an upgrade that is beginning. */
  async sweep(): Promise<void> {
    const { upgrades } = this.#index.content;
    const records = new Set(upgrades.map(({ files }) => files));
    await this.#store.delete(await this.#index.unused(RECORDS, records));
    const open = upgrades.filter(({ state }) => !isUpgradeOver(state));
    const code = open.flatMap(({ files }) => SIDES.map((side) => `${files}-${side}`));
    await this.#store.delete(await this.#index.unused(BUNDLES, new Set(code)));
  }

  /** The sweep takes their records. */
  async #forgetOldest(): Promise<void> {
    const over = this.#index.content.upgrades.filter(({ state }) => isUpgradeOver(state));
    const gone = new Set(over.slice(0, -OVER_MAX).map(({ upgradeId }) => upgradeId));
    if (gone.size === 0) return;
    await this.#index.change(({ upgrades }) => ({
      upgrades: upgrades.filter(({ upgradeId }) => !gone.has(upgradeId)),
    }));
  }

  async #read({ files, state }: IndexedUpgrade): Promise<StoredUpgrade> {
    const path = `${RECORDS}/${files}`;
    const found = await this.#store.read(path);
    if (found === undefined) throw await this.#index.lostError(path);
    const where = { kind: KIND, path: `${this.#store.url}/${path}`, reader: FORMAT };
    const record = decodeFramed(found.bytes, where) as Versioned & UpgradeOrder;
    const side = (given: UpgradeSide): UpgradeSide => ({
      ...given,
      submission: withSecretsOf(given.submission, this.#options.own),
    });
    return { record: { ...record, old: side(record.old), new: side(record.new) }, state, files };
  }
}

function encode(record: UpgradeOrder): Uint8Array {
  const side = (given: UpgradeSide): UpgradeSide => ({
    ...given,
    submission: withoutSecrets(given.submission),
  });
  return encodeFramed(KIND, {
    formatVersion: FORMAT,
    minReader: FORMAT,
    ...record,
    old: side(record.old),
    new: side(record.new),
  } as Versioned);
}

function pathOfCode(files: string, side: SideName): string {
  return `${BUNDLES}/${files}-${side}`;
}
