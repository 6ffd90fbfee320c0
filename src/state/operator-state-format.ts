/** Operator state as bytes: docs/formats/operator-state.md. */
import { crc32 } from '../common/crc32.ts';
import { EngineError } from '../common/errors.ts';
import type { BlobHandle, StateSchema } from '../contracts/snapshots.ts';
import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import { decodeColumn, encodeColumn, readColumn, writeColumn } from '../serde/columns.ts';
import type { Serializer } from '../serde/serializer.ts';
import { corruptSnapshot, newerFormat, schemaRefused, valueNotStored } from './errors.ts';
import { fileNameOf } from './keyed-run-parts.ts';

/** `TMKO`, low byte first. */
const MAGIC = 0x4f4b4d54;
const FORMAT_VERSION = 1;
const MIN_READER = 1;
const PREAMBLE_BYTES = 16;
const CHECKSUM_BYTES = 4;

/** How items find their subtask after a restore. */
export type OperatorStateKind = 'split' | 'union' | 'broadcast';

export interface OperatorStateValues {
  /** Of broadcast state. */
  readonly keys: readonly unknown[] | undefined;
  readonly values: readonly unknown[];
}

interface StoredState {
  readonly schema: StateSchema;
  readonly distribution: OperatorStateKind;
}

export interface EncodedState extends StoredState {
  readonly serializer: Serializer<unknown>;
  readonly content: OperatorStateValues;
}

/** @throws {EngineError} `STA-005` (`invalid`) for a value that its serializer refuses. */
export function encodeOperatorState(uid: string, states: readonly EncodedState[]): Uint8Array {
  const header = new ByteWriter();
  const described = states.map(({ schema, distribution }) => ({ schema, distribution }));
  header.rawText(JSON.stringify({ uid, states: described }));
  const to = new ByteWriter();
  to.uint32(MAGIC);
  to.uint32(FORMAT_VERSION);
  to.uint32(MIN_READER);
  to.uint32(header.length);
  to.raw(header.view());
  to.uint32(crc32(to.view()));
  for (const state of states) {
    const section = encodeSection(uid, state);
    to.uint32(section.length);
    to.raw(section);
    to.uint32(crc32(section));
  }
  return to.finish();
}

function encodeSection(uid: string, { schema, serializer, content }: EncodedState): Uint8Array {
  const { keys, values } = content;
  const to = new ByteWriter();
  try {
    if (keys !== undefined) writeColumn(encodeColumn(keys, keys.length, 'key'), to);
    writeColumn(encodeColumn(values, values.length, serializer), to);
  } catch (error) {
    throw valueNotStored(uid, schema.name, error);
  }
  return to.finish();
}

export interface OperatorStateCodec {
  readonly uid: string;
  readonly serializer: Serializer<unknown>;
  readonly key: Serializer<unknown> | undefined;
}

/** Checks all bytes before it gives any value. */
export class OperatorStateReader {
  readonly states: readonly StoredState[];
  readonly #file: string;
  readonly #sections: readonly Uint8Array[];

  /** @throws {EngineError} `STA-001` (`corrupt`); `STA-006` (`invalid`) for a newer format. */
  constructor(bytes: Uint8Array, handle: BlobHandle) {
    this.#file = fileNameOf(handle);
    if (bytes.length !== handle.sizeBytes || crc32(bytes) !== handle.crc32) {
      throw this.#corrupt('file', 'it is not the file that the snapshot was made of');
    }
    try {
      const from = new ByteReader(bytes);
      this.states = this.#readHeader(from, bytes);
      this.#sections = this.states.map((_, section) => this.#readSection(from, section));
    } catch (error) {
      if (error instanceof EngineError && error.code.startsWith('STA')) throw error;
      throw this.#corrupt('header', 'it cannot be read', error);
    }
  }

  /** @throws {EngineError} `STA-002` (`invalid`) if the written type cannot become the declared one. */
  read(index: number, { uid, serializer, key }: OperatorStateCodec): OperatorStateValues {
    const stored = this.states[index];
    const section = this.#sections[index];
    if (stored === undefined || section === undefined) throw this.#corrupt(index, 'it is missing');
    const { schema } = stored;
    const resolution = serializer.resolve(schema.value);
    if (resolution.kind === 'refuse') {
      throw schemaRefused({ uid, state: schema.name, part: 'value', why: resolution.why });
    }
    if (key !== undefined && schema.key !== undefined) {
      const keys = key.resolve(schema.key);
      if (keys.kind === 'refuse') {
        throw schemaRefused({ uid, state: schema.name, part: 'map key', why: keys.why });
      }
    }
    try {
      const from = new ByteReader(section);
      const keys = key === undefined ? undefined : decodeColumn(readColumn(from), 'key');
      const values = decodeColumn(readColumn(from), serializer, schema.value);
      return { keys, values };
    } catch (error) {
      throw this.#corrupt(index, 'its values cannot be read', error);
    }
  }

  #readHeader(from: ByteReader, bytes: Uint8Array): readonly StoredState[] {
    if (from.uint32() !== MAGIC) throw this.#corrupt('header', 'this is no operator state');
    const version = from.uint32();
    const minReader = from.uint32();
    const length = from.uint32();
    const text = from.raw(length);
    if (from.uint32() !== crc32(bytes.subarray(0, PREAMBLE_BYTES + length))) {
      throw this.#corrupt('header', 'its checksum is wrong');
    }
    if (minReader > FORMAT_VERSION) throw newerFormat(this.#file, version, minReader);
    const header = JSON.parse(new TextDecoder().decode(text)) as { states: StoredState[] };
    return header.states;
  }

  #readSection(from: ByteReader, section: number): Uint8Array {
    const length = from.uint32();
    if (length > from.remaining - CHECKSUM_BYTES) throw this.#corrupt(section, 'it is cut off');
    const bytes = from.raw(length);
    if (from.uint32() !== crc32(bytes)) throw this.#corrupt(section, 'its checksum is wrong');
    return bytes;
  }

  #corrupt(block: number | string, what: string, cause?: unknown): EngineError {
    return corruptSnapshot({ file: this.#file, block, what, cause });
  }
}
