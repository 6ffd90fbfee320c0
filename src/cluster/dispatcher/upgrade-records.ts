/** Upgrades, where they outlive every process. docs/formats/job-store.md. */
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import type { SnapshotNotes } from '../../checkpoint/metadata.ts';
import { EngineError } from '../../common/errors.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';
import type { JobSubmission } from './cluster.ts';
import { withoutSecrets, withSecretsOf } from './job-record.ts';
import { isUpgradeOver, type UpgradeState } from './upgrade-state.ts';
import { writeRecord } from './write-record.ts';

/** One version of the job: what is to be run, and under which id of the store. */
export interface UpgradeSide {
  readonly submissionId: string;
  readonly submission: JobSubmission;
  /** SHA-256 of its code, in hex. */
  readonly bundle: string;
}

export interface UpgradeRecord {
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
  readonly state: UpgradeState;
}

export interface StoredUpgrade {
  readonly record: UpgradeRecord;
  readonly etag: Etag;
}

const FOLDER = 'job-store/upgrades';
const KIND = 'upgrade';
const FORMAT = 1;
/** Records of upgrades that are over, so that a client can still ask what became of one. */
const OVER_MAX = 20;

export class UpgradeRecords {
  readonly #store: BlobStore;
  readonly #own: FlinkSettings;

  /** @param own Settings of this process. */
  constructor(store: BlobStore, own: FlinkSettings) {
    this.#store = store;
    this.#own = own;
  }

  /** @throws {EngineError} `STO-…` (`unavailable`), `JOB-035` (`fenced`). */
  async write(record: UpgradeRecord, before?: StoredUpgrade): Promise<StoredUpgrade> {
    const bytes = encode(record);
    const etag = await writeRecord(this.#store, pathOf(record.upgradeId), bytes, before?.etag);
    return { record, etag };
  }

  /**
   * All, the oldest first; of those that are over the newest, and the others go.
   *
   * @throws {EngineError} `STO-…` (`unavailable`).
   */
  async list(): Promise<{
    readonly upgrades: readonly StoredUpgrade[];
    readonly problems: readonly unknown[];
  }> {
    const found: StoredUpgrade[] = [];
    const problems: unknown[] = [];
    for await (const { path } of this.#store.list(FOLDER)) {
      try {
        const blob = await this.#store.read(path);
        if (blob === undefined) continue;
        found.push({ record: this.#decode(blob.bytes, path), etag: blob.etag });
      } catch (error) {
        if (error instanceof EngineError && error.kind === 'unavailable') throw error;
        problems.push(error);
      }
    }
    found.sort((a, b) => a.record.atMs - b.record.atMs);
    const over = found.filter(({ record }) => isUpgradeOver(record.state)).slice(0, -OVER_MAX);
    await this.#store.delete(over.map(({ record }) => pathOf(record.upgradeId)));
    return { upgrades: found.filter((one) => !over.includes(one)), problems };
  }

  #decode(bytes: Uint8Array, path: string): UpgradeRecord {
    const where = { kind: KIND, path: `${this.#store.url}/${path}`, reader: FORMAT };
    const record = decodeFramed(bytes, where) as Versioned & UpgradeRecord;
    const side = (given: UpgradeSide): UpgradeSide => ({
      ...given,
      submission: withSecretsOf(given.submission, this.#own),
    });
    return { ...record, old: side(record.old), new: side(record.new) };
  }
}

function encode(record: UpgradeRecord): Uint8Array {
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

function pathOf(upgradeId: string): string {
  return `${FOLDER}/${upgradeId}`;
}
