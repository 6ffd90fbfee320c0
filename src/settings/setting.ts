import type { SettingType } from './setting-types.ts';

/** Where a value comes from. */
export type SettingOrigin =
  | { readonly kind: 'default' }
  | { readonly kind: 'preset'; readonly preset: string }
  /** A Flink configuration file. */
  | { readonly kind: 'config-file'; readonly file: string; readonly key: string }
  /** The process environment, or the `.env` file that is named. */
  | { readonly kind: 'environment'; readonly variable: string; readonly file?: string }
  | { readonly kind: 'job' }
  | { readonly kind: 'dynamic'; readonly key: string };

export interface Setting<T> {
  readonly env: string;
  /** Other variables that say the same; the first that is set counts, `env` before them. */
  readonly otherEnvs?: readonly string[];
  readonly key: string;
  /** Other keys of equal right; `key` wins over them, the first over the later ones. */
  readonly otherKeys?: readonly string[];
  /** Keys of Flink 1.x; they work, with a warning that says what replaced them. */
  readonly oldKeys?: readonly string[];
  readonly type: SettingType<T>;
  readonly default: T;
  /** What Flink has instead, where that is another: a value, or words. */
  readonly flinkDefault?: string;
  readonly doc: string;
  /** What a key without a value means in a configuration file. Absent: the default. */
  readonly whenEmpty?: T;
  /** Never shown: not in a message, not in a summary. */
  readonly secret?: true;
}

/** A row of the table of settings. */
export function setting<T>(
  row: Omit<Setting<T>, 'default' | 'whenEmpty'> & {
    readonly default: NoInfer<T>;
    readonly whenEmpty?: NoInfer<T>;
  },
): Setting<T> {
  return row;
}
