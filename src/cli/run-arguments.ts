/** What `tidemark run` was given, as commander hands it over: texts, as yet unchecked. */
export interface RunArguments {
  readonly parallelism?: string;
  readonly fromSavepoint?: string;
  readonly fresh?: boolean;
  readonly allowNonRestoredState?: boolean;
  readonly D: readonly string[];
  readonly json?: boolean;
}
