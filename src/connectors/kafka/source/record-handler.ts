import { EngineError } from '../../../common/errors.ts';
import type { SourceOutput } from '../../../contracts/source.ts';
import { invalidRecord } from './errors.ts';
import { LATER, type OpenKafkaFormat } from './kafka-format.ts';
import type { KafkaHeader } from './kafka-record.ts';
import type { RecordCursor } from './record-cursor.ts';

/** A record that the deserializer could not read, with all that came. The bytes are copies. */
export interface InvalidKafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  /** What the deserializer threw, as text. */
  readonly reason: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly KafkaHeader[];
}

/** What to do with a record that cannot be read. */
export type OnInvalidRecord<B> = 'fail' | 'skip' | ((record: InvalidKafkaRecord) => B);

/** Emits the cursor's record. Returns false when reading should stop for now. */
export class RecordHandler<T> {
  readonly #format: OpenKafkaFormat<T>;
  readonly #onInvalid: OnInvalidRecord<T>;
  /** Records that were skipped or handed on as they are. */
  errors = 0;
  #isWaiting = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(format: OpenKafkaFormat<T>, onInvalid: OnInvalidRecord<T>) {
    this.#format = format;
    this.#onInvalid = onInvalid;
  }

  handle(record: RecordCursor, out: SourceOutput<T>): boolean {
    let value: T | undefined | typeof LATER;
    try {
      value = this.#format.deserialize(record);
    } catch (error) {
      return this.#invalid(record, error, out);
    }
    if (value === undefined) return true;
    if (value === LATER) {
      this.#isWaiting = true;
      return false;
    }
    return out.emit(value, record.splitId, timeOf(record));
  }

  /** The last record was not handled, and must be handed in again when `ready` resolves. */
  waits(): boolean {
    return this.#isWaiting;
  }

  /** Throws what kept the format from getting ready, if something has. */
  check(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    throw error instanceof Error ? error : new TypeError(String(error));
  }

  /** Never rejects: see `check`. */
  async ready(): Promise<void> {
    try {
      await this.#format.ready();
      this.#isWaiting = false;
    } catch (error) {
      this.#failure = { error };
    }
  }

  close(): void {
    this.#format.close();
  }

  #invalid(record: RecordCursor, cause: unknown, out: SourceOutput<T>): boolean {
    // An error of this package says what is wrong with the job, not with the record.
    if (cause instanceof EngineError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const onInvalid = this.#onInvalid;
    if (onInvalid === 'fail') throw invalidRecord(record, reason, cause);
    this.errors += 1;
    if (onInvalid === 'skip') return true;
    return out.emit(onInvalid(copyOf(record, reason)), record.splitId, timeOf(record));
  }
}

function timeOf({ timestampMs }: RecordCursor): number | undefined {
  return timestampMs < 0 ? undefined : timestampMs;
}

function copyOf(record: RecordCursor, reason: string): InvalidKafkaRecord {
  const { topic, partition, offset, timestampMs } = record;
  const headers = record
    .headers()
    .map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value) }));
  const [key, value] = [copied(record.key), copied(record.value)];
  return { topic, partition, offset, timestampMs, reason, key, value, headers };
}

function copied(bytes: Buffer | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes);
}
