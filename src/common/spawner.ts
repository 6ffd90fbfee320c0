/** How a process came to its end. */
export type ExitReason =
  /** It ended by itself. 0 is success. */
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** The operating system ended it: `SIGKILL`, `SIGSEGV` … */
  | { readonly kind: 'killed'; readonly signal: string }
  /** It never ran: no memory, no process left, no such program. */
  | { readonly kind: 'not-started'; readonly error: Error };

/** A process that this one has started. It does not end with this one by itself. */
export interface Child {
  /** Its process id and when it started: no two processes of a machine have the same. */
  readonly id: string;
  /** `SIGKILL`: it ends without a word. Does nothing if it has ended. */
  kill(): void;
  /** Never rejects. */
  readonly exited: Promise<ExitReason>;
}

/** Starts processes, as an argument. The simulator's makes simulated ones. */
export interface Spawner {
  /**
   * @param entry Which program, by a name that the implementation knows.
   * @param args What it is told: plain data.
   */
  spawn(entry: string, args: unknown): Child;
}
