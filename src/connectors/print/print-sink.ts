import type { Sink, SinkWriter } from '../../contracts/sink.ts';

export interface PrintOptions {
  /** Stands before each line, to tell several sinks apart. */
  readonly identifier?: string;
  /** Takes a line without its line feed. Default: standard output. */
  readonly write?: (line: string) => void;
}

/**
 * Prints each value on a line, as Flink does: `identifier:subtask> value`, with the subtask, counted
 * from 1, only if there are several. Strings are printed as they are, other values as JSON. After a
 * failure lines are printed again.
 */
export function print<T>(options: PrintOptions = {}): Sink<T, never> {
  const { identifier = '', write = toStandardOutput } = options;
  return {
    kind: 'print',
    committables: undefined,
    writer: ({ subtask, parallelism }) => {
      const number = parallelism > 1 ? `${subtask + 1}` : '';
      const prefix = [identifier, number].filter((part) => part !== '').join(':');
      return new PrintWriter(prefix === '' ? '' : `${prefix}> `, write);
    },
  };
}

class PrintWriter<T> implements SinkWriter<T, never> {
  readonly #prefix: string;
  readonly #write: (line: string) => void;

  constructor(prefix: string, write: (line: string) => void) {
    this.#prefix = prefix;
    this.#write = write;
  }

  write(value: T): void {
    this.#write(this.#prefix + textOf(value));
  }

  async prepareCommit(): Promise<never[]> {
    return [];
  }

  async close(): Promise<void> {
    // Standard output is not ours to close.
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const text = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? part.toString() : part,
  ) as string | undefined;
  return text ?? String(value);
}

function toStandardOutput(line: string): void {
  process.stdout.write(`${line}\n`);
}
