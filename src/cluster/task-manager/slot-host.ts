import type { LinkPort } from '../../runtime/ring-link.ts';
import type { FromSlot, SlotData, ToSlot } from './slot-protocol.ts';

/** How a slot came to its end. */
export interface SlotEnd {
  readonly exitCode: number;
  /** What nobody caught. */
  readonly error: unknown;
}

export interface SlotThreadListener {
  message(message: FromSlot): void;
  /** Told once, when nothing of it runs any more, and nothing behind it. */
  ended(end: SlotEnd): void;
}

/** Something that runs a `SlotRuntime`. */
export interface SlotThread {
  say(message: ToSlot<LinkPort>): void;
  /** Ends it wherever it is. */
  kill(): void;
}

/** Makes slots, as an argument: worker threads; the simulator's run in its own thread. */
export interface SlotHost {
  /**
   * @param index Its place in the TaskManager; for people.
   * @param progress See `progress-words.ts`.
   */
  open(
    index: number,
    data: SlotData,
    progress: SharedArrayBuffer,
    listener: SlotThreadListener,
  ): SlotThread;
  /** Two ports that are joined, for the link of two slots. */
  channel(): readonly [LinkPort, LinkPort];
}
