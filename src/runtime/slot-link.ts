import type { ChannelReader, ChannelWriter } from './channel.ts';

/**
 * All channels between two slots, in both directions: of one process over rings, of two over a
 * connection. A slot has one link to each other slot and need not know which kind it is.
 */
export interface SlotLink {
  /**
   * This side's end of a channel that the other side reads under the same number.
   *
   * @param memory The channel's ring, of a link between threads; else `undefined`.
   */
  writer(channel: number, memory: SharedArrayBuffer | undefined): ChannelWriter;
  /** This side's end of a channel that the other side writes under the same number. */
  reader(channel: number, memory: SharedArrayBuffer | undefined): ChannelReader;
  /** Forgets a channel of an attempt that is over. Its ends must be closed. */
  remove(channel: number): void;
  /** For the other side this is the death of this one. */
  close(): void;
}
