/** What `tidemark run` was given, as commander hands it over: texts, as yet unchecked. */
export interface RunArguments {
  readonly parallelism?: string;
  readonly fromSavepoint?: string;
  readonly claimMode?: 'CLAIM' | 'NO_CLAIM';
  readonly fresh?: boolean;
  /** The job's name, instead of that in its code. */
  readonly name?: string;
  /** The snapshot, or job, that it is forked from. */
  readonly forkOf?: string;
  readonly allowNonRestoredState?: boolean;
  readonly D: readonly string[];
  /** Flink's configuration file, or the folder that holds it. */
  readonly config?: string;
  /** Print what would be in force, and run nothing. */
  readonly settings?: boolean;
  readonly json?: boolean;
  /** Hand the job to the service. */
  readonly detached?: boolean;
}
