/** The writing side of the channels' suite. It runs in a thread of its own too, so it imports no test tools. */
import type { CheckpointBarrier } from '../../src/contracts/snapshots.ts';
import type { ChannelWriter } from '../../src/runtime/channel.ts';
import type { Control } from '../../src/runtime/element.ts';

export interface Item {
  readonly value: unknown;
  readonly timestampMs: number;
  readonly hash: number;
}

/** What the writer is told to do. */
export type WriterCommand =
  /** Writes all, whether there is room or not. */
  | { readonly kind: 'append'; readonly items: readonly Item[] }
  /** Writes `{ n }` for 0, 1, ... as a task does: only while there is room. */
  | { readonly kind: 'count'; readonly to: number }
  | { readonly kind: 'control'; readonly control: Control }
  | { readonly kind: 'flush' | 'close' | 'settle' }
  | { readonly kind: 'announce'; readonly barrier: CheckpointBarrier };

export interface WriterState {
  readonly writable: boolean;
  readonly broken: boolean;
}

/** Does what the messages say, on the writer's side. */
export class WriterDriver {
  readonly #writer: ChannelWriter;
  #wake: () => void = () => undefined;

  constructor(writer: ChannelWriter) {
    this.#writer = writer;
    writer.onWritable(() => {
      this.#wake();
    });
  }

  async run(command: WriterCommand): Promise<WriterState> {
    const writer = this.#writer;
    switch (command.kind) {
      case 'append':
        for (const { value, timestampMs, hash } of command.items) {
          writer.append(value, timestampMs, hash);
        }
        break;
      case 'count':
        for (let n = 0; n < command.to; n++) {
          if (!writer.append({ n }, n, n)) await this.#room();
        }
        writer.flush();
        break;
      case 'control':
        writer.control(command.control);
        break;
      case 'flush':
        writer.flush();
        break;
      case 'close':
        writer.close();
        break;
      case 'announce':
        writer.announce(command.barrier);
        break;
      case 'settle':
        await this.#room();
    }
    return { writable: writer.isWritable(), broken: writer.isBroken() };
  }

  async #room(): Promise<void> {
    while (!this.#writer.isWritable()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#writer.isWritable()) resolve();
      });
    }
  }
}
