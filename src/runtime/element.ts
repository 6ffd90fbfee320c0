import type { CheckpointBarrier } from '../contracts/snapshots.ts';

/** The last watermark of a bounded stream. A safe integer, so that it fits wherever times fit. */
export const MAX_WATERMARK_MS = Number.MAX_SAFE_INTEGER;

/** What travels between the records of a channel, in order with them. */
export type Control =
  | { readonly kind: 'watermark'; readonly watermarkMs: number }
  /** Flink's `WatermarkStatus`: an idle channel holds no watermark back. */
  | { readonly kind: 'status'; readonly idle: boolean }
  | { readonly kind: 'barrier'; readonly barrier: CheckpointBarrier }
  /** No record will follow; barriers still may (for the last checkpoint). Flink's `EndOfData`. */
  | { readonly kind: 'end-of-data' };
