import { crc32 } from '../common/crc32.ts';
import type { BlobHandle } from '../contracts/snapshots.ts';
import type { BlobStore, ByteRange } from '../storage/blob-store.ts';
import { corruptFileError, missingFileError } from './errors.ts';

/**
 * The bytes of a handle, checked.
 *
 * @throws {EngineError} `CHK-001` (`corrupt`) if length or checksum differ, `CHK-006` (`corrupt`) if
 * the file is not there.
 */
export async function readHandle(store: BlobStore, handle: BlobHandle): Promise<Uint8Array> {
  const path = handle.kind === 'blob' ? `${store.url}/${handle.path}` : 'inline in _metadata';
  const bytes = handle.kind === 'blob' ? await readBlob(store, handle.path, path) : inline(handle);
  if (bytes.length !== handle.sizeBytes) {
    throw corruptFileError(path, `${bytes.length} bytes are there of ${handle.sizeBytes}`);
  }
  if (crc32(bytes) !== handle.crc32) throw corruptFileError(path, 'the checksum differs');
  return bytes;
}

/**
 * A part of a blob, not checked: whoever asks for parts has checksums of them.
 *
 * @throws {EngineError} `CHK-006` (`corrupt`) if the file is not there.
 */
export async function readHandleRange(
  store: BlobStore,
  handle: BlobHandle,
  range: ByteRange,
): Promise<Uint8Array> {
  if (handle.kind === 'blob') {
    return readBlob(store, handle.path, `${store.url}/${handle.path}`, range);
  }
  return inline(handle).subarray(range.offset, range.offset + range.length);
}

async function readBlob(
  store: BlobStore,
  path: string,
  url: string,
  range?: ByteRange,
): Promise<Uint8Array> {
  const found = await store.read(path, range);
  if (found === undefined) throw missingFileError(url);
  return found.bytes;
}

function inline(handle: Extract<BlobHandle, { kind: 'inline' }>): Uint8Array {
  const text = atob(handle.base64);
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
