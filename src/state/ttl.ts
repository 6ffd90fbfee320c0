/** The wall clock as of the current batch. All states of a backend share one. */
export interface TtlClock {
  nowMs: number;
}
