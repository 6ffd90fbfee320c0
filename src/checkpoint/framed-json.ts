/**
 * JSON that a person can look into and a machine can trust: one line of frame, then the text.
 * Format: docs/formats/metadata.md, section "Frame".
 *
 * Always holds: any flipped bit, and any byte too few or too many, is found before the text is used.
 */
import { crc32 } from '../common/crc32.ts';
import { corruptFileError, newerFormatError } from './errors.ts';

/** What every record says of its own format. */
export interface Versioned {
  /** The format it was written in. */
  readonly formatVersion: number;
  /** The oldest format whose readers understand it. */
  readonly minReader: number;
}

const FRAME = 'tidemark-json/1';
const FRAME_LINE = /^tidemark-json\/1 ([a-z-]+) (0|[1-9]\d{0,15}) ([0-9a-f]{8})$/;
const LINE_BYTES_MAX = 100;

/** @param kind What it is a record of; a reader that expects something else refuses it. */
export function encodeFramed(kind: string, value: Versioned): Uint8Array {
  const body = new TextEncoder().encode(`${JSON.stringify(value, undefined, 1)}\n`);
  const start = `${FRAME} ${kind} ${body.length}`;
  const line = new TextEncoder().encode(`${start} ${hex(checksum(start, body))}\n`);
  const bytes = new Uint8Array(line.length + body.length);
  bytes.set(line);
  bytes.set(body, line.length);
  return bytes;
}

export interface FrameOptions {
  readonly kind: string;
  /** For messages. */
  readonly path: string;
  /** The newest format that the caller understands. */
  readonly reader: number;
}

/**
 * @throws {EngineError} `CHK-001` (`corrupt`) if a check fails.
 * @throws {EngineError} `CHK-002` (`invalid`) if a newer reader is needed.
 */
export function decodeFramed(bytes: Uint8Array, options: FrameOptions): Versioned {
  const { path, kind, reader } = options;
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf(0x0a);
  if (end < 0) throw corruptFileError(path, 'it has no first line');
  const line = String.fromCharCode(...bytes.subarray(0, end));
  const [, foundKind, length, expected] = FRAME_LINE.exec(line) ?? [];
  if (foundKind === undefined) throw corruptFileError(path, 'the first line is not ours');
  if (foundKind !== kind) throw corruptFileError(path, `it is no ${kind}`);
  const body = bytes.subarray(end + 1);
  if (body.length !== Number(length)) {
    throw corruptFileError(path, `${body.length} bytes are there of ${String(length)}`);
  }
  if (hex(checksum(`${FRAME} ${kind} ${body.length}`, body)) !== expected) {
    throw corruptFileError(path, 'the checksum differs');
  }
  return checkVersion(parse(body, path), path, reader);
}

function parse(body: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw corruptFileError(path, 'it is not JSON', cause);
  }
}

function checkVersion(value: unknown, path: string, reader: number): Versioned {
  if (typeof value !== 'object' || value === null) throw corruptFileError(path, 'it is no object');
  const { formatVersion, minReader } = value as Partial<Versioned>;
  if (typeof formatVersion !== 'number' || typeof minReader !== 'number') {
    throw corruptFileError(path, 'it does not say its format');
  }
  if (minReader > reader) throw newerFormatError(path, minReader, reader);
  return value as Versioned;
}

/** Covers the line too, so that its own flipped bits are found. */
function checksum(start: string, body: Uint8Array): number {
  return crc32(body, crc32(new TextEncoder().encode(start)));
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}
