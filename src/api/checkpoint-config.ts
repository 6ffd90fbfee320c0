import type { FlinkSettings, SettingName, SettingValues } from '../settings/flink-settings.ts';

/** Reads and sets one setting of the job that is being described. */
export interface SettingsAccess {
  get<N extends SettingName>(name: N): FlinkSettings[N];
  set<N extends SettingName>(name: N, value: SettingValues[N]): void;
}

/** Flink's words for how often a record counts after a failure. */
export const CheckpointingMode = {
  EXACTLY_ONCE: 'EXACTLY_ONCE',
  AT_LEAST_ONCE: 'AT_LEAST_ONCE',
} as const;
export type CheckpointingMode = (typeof CheckpointingMode)[keyof typeof CheckpointingMode];

/** Flink's words for what becomes of checkpoints when the job is cancelled. */
export const ExternalizedCheckpointRetention = {
  NO_EXTERNALIZED_CHECKPOINTS: 'NO_EXTERNALIZED_CHECKPOINTS',
  DELETE_ON_CANCELLATION: 'DELETE_ON_CANCELLATION',
  RETAIN_ON_CANCELLATION: 'RETAIN_ON_CANCELLATION',
} as const;
export type ExternalizedCheckpointRetention =
  (typeof ExternalizedCheckpointRetention)[keyof typeof ExternalizedCheckpointRetention];

/** Where checkpoints go. */
export interface CheckpointStorage {
  getCheckpointPath(): string;
}

/** Where checkpoints go; the folder or address as in `setCheckpointStorage`. */
export class FileSystemCheckpointStorage implements CheckpointStorage {
  readonly checkpointPath: string;

  constructor(checkpointPath: string) {
    this.checkpointPath = checkpointPath;
  }

  getCheckpointPath(): string {
    return this.checkpointPath;
  }
}

/**
 * How the job's checkpoints are made; Flink's `CheckpointConfig`, from `env.getCheckpointConfig()`.
 * What is set here wins over files and the environment's variables, and `-D` wins over it.
 *
 * Every setter throws `SET-001` (`invalid`) for a value out of range, and `API-015` after the job
 * is described.
 *
 * @example
 * ```ts
 * env.enableCheckpointing(minutes(5));
 * env.getCheckpointConfig().setCheckpointTimeout(minutes(10));
 * ```
 */
export class CheckpointConfig {
  readonly #settings: SettingsAccess;

  /** @internal Comes from `env.getCheckpointConfig()`. */
  constructor(settings: SettingsAccess) {
    this.#settings = settings;
  }

  isCheckpointingEnabled(): boolean {
    return this.getCheckpointInterval() > 0;
  }

  /** Milliseconds; 0 is off. */
  getCheckpointInterval(): number {
    return this.#settings.get('checkpointIntervalMs');
  }

  setCheckpointInterval(intervalMs: number): this {
    return this.#set('checkpointIntervalMs', intervalMs);
  }

  getCheckpointingMode(): CheckpointingMode {
    return this.#settings.get('checkpointMode');
  }

  setCheckpointingMode(mode: CheckpointingMode): this {
    return this.#set('checkpointMode', mode);
  }

  /** Milliseconds. */
  getCheckpointTimeout(): number {
    return this.#settings.get('checkpointTimeoutMs');
  }

  setCheckpointTimeout(timeoutMs: number): this {
    return this.#set('checkpointTimeoutMs', timeoutMs);
  }

  /** Milliseconds. */
  getMinPauseBetweenCheckpoints(): number {
    return this.#settings.get('minPauseBetweenCheckpointsMs');
  }

  setMinPauseBetweenCheckpoints(pauseMs: number): this {
    return this.#set('minPauseBetweenCheckpointsMs', pauseMs);
  }

  getMaxConcurrentCheckpoints(): number {
    return this.#settings.get('maxConcurrentCheckpoints');
  }

  setMaxConcurrentCheckpoints(count: number): this {
    return this.#set('maxConcurrentCheckpoints', count);
  }

  getTolerableCheckpointFailureNumber(): number {
    return this.#settings.get('tolerableFailedCheckpoints');
  }

  /** Consecutive failures that the job bears; one more fails it. */
  setTolerableCheckpointFailureNumber(count: number): this {
    return this.#set('tolerableFailedCheckpoints', count);
  }

  getExternalizedCheckpointRetention(): ExternalizedCheckpointRetention {
    return this.#settings.get('externalizedCheckpointRetention');
  }

  setExternalizedCheckpointRetention(retention: ExternalizedCheckpointRetention): this {
    return this.#set('externalizedCheckpointRetention', retention);
  }

  /** Undefined: a folder in the project's data folder. */
  getCheckpointStorage(): string | undefined {
    return this.#settings.get('checkpointStorage');
  }

  /** A path, or a `file://`, `s3://`, `s3a://` or `hdfs://` address. */
  setCheckpointStorage(storage: string | CheckpointStorage): this {
    const path = typeof storage === 'string' ? storage : storage.getCheckpointPath();
    return this.#set('checkpointStorage', path);
  }

  isUnalignedCheckpointsEnabled(): boolean {
    return this.#settings.get('unalignedCheckpoints');
  }

  enableUnalignedCheckpoints(enabled = true): this {
    return this.#set('unalignedCheckpoints', enabled);
  }

  /** Milliseconds. */
  getAlignedCheckpointTimeout(): number {
    return this.#settings.get('alignedCheckpointTimeoutMs');
  }

  setAlignedCheckpointTimeout(timeoutMs: number): this {
    return this.#set('alignedCheckpointTimeoutMs', timeoutMs);
  }

  #set<N extends SettingName>(name: N, value: SettingValues[N]): this {
    this.#settings.set(name, value);
    return this;
  }
}
