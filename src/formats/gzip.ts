/**
 * Gzip, in and out, synchronous and in pieces, so that a simulation can run it.
 *
 * The inflating itself is fflate's. It does not look at the trailers, so that damaged or cut files
 * would pass; `Gunzip` checks each member's CRC and length.
 */
import { FlateErrorCode, Gunzip as FflateGunzip, Gzip as FflateGzip } from 'fflate';
import { crc32 } from '../common/crc32.ts';
import { EngineError } from '../common/errors.ts';
import { corruptGzip, type GzipPlace, truncatedGzip } from './errors.ts';

const TRAILER_BYTES = 8;
const SMALLEST_MEMBER_BYTES = 18;
/** A member is announced when its header is complete; so far back its predecessor's trailer is found. */
const KEPT_BYTES = 128 * 1024;
const EMPTY = new Uint8Array(0);

/** Decompresses a stream of one or more gzip members. */
export class Gunzip {
  readonly #inflate: FflateGunzip;
  #out: Uint8Array[] = [];
  /** The last compressed bytes, for the trailers. */
  #recent: Buffer = Buffer.alloc(0);
  #totalBytes = 0;
  #memberStart = 0;
  #memberCrc = 0;
  #memberBytes = 0;
  readonly #source: string;

  /** @param source What is decompressed, for error messages: a path. */
  constructor(source = '') {
    this.#source = source;
    this.#inflate = new FflateGunzip((bytes) => {
      if (bytes.length === 0) return;
      this.#memberCrc = crc32(bytes, this.#memberCrc);
      this.#memberBytes += bytes.length;
      this.#out.push(bytes);
    });
    this.#inflate.onmember = (offset) => {
      this.#checkMember(offset);
      this.#memberStart = offset;
      this.#memberCrc = 0;
      this.#memberBytes = 0;
    };
  }

  /**
   * Takes compressed bytes, returns what they add to the decompressed ones.
   * @throws {EngineError} `FMT-004` (`corrupt`) if the data is damaged, `FMT-005` if it ends too early.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#recent = Buffer.concat([this.#recent.subarray(-KEPT_BYTES), chunk]);
    this.#totalBytes += chunk.length;
    this.#run(chunk, false);
    return this.#taken();
  }

  /** No more bytes will come. What was handed out before is only now known to be undamaged. */
  end(): Uint8Array[] {
    if (this.#totalBytes - this.#memberStart < SMALLEST_MEMBER_BYTES) {
      throw truncatedGzip(this.#place(this.#totalBytes));
    }
    this.#run(EMPTY, true);
    this.#checkMember(this.#totalBytes);
    return this.#taken();
  }

  #run(chunk: Uint8Array, final: boolean): void {
    try {
      this.#inflate.push(chunk, final);
    } catch (cause) {
      if (cause instanceof EngineError) throw cause;
      if ((cause as { code?: unknown }).code === FlateErrorCode.UnexpectedEOF) {
        throw truncatedGzip(this.#place(this.#totalBytes), cause);
      }
      throw corruptGzip(this.#place(this.#totalBytes), 'the compressed data makes no sense', cause);
    }
  }

  #checkMember(end: number): void {
    const trailer = end - TRAILER_BYTES - (this.#totalBytes - this.#recent.length);
    if (end - this.#memberStart < SMALLEST_MEMBER_BYTES || trailer < 0) {
      throw corruptGzip(this.#place(end), 'a member has no trailer');
    }
    if (this.#recent.readUInt32LE(trailer) !== this.#memberCrc) {
      throw corruptGzip(this.#place(end), 'a checksum differs, as after a cut or a change');
    }
    if (this.#recent.readUInt32LE(trailer + 4) !== this.#memberBytes % 0x1_0000_0000) {
      throw corruptGzip(this.#place(end), 'a length differs, as after a cut or a change');
    }
  }

  #place(offset: number): GzipPlace {
    return { source: this.#source, offset };
  }

  #taken(): Uint8Array[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

/** Compresses a stream into one gzip member; equal input gives equal output. */
export class Gzip {
  readonly #deflate: FflateGzip;
  #out: Uint8Array[] = [];

  constructor() {
    // The time of the header would be the machine's.
    this.#deflate = new FflateGzip({ mtime: 0 }, (bytes) => {
      if (bytes.length > 0) this.#out.push(bytes);
    });
  }

  push(chunk: Uint8Array): Uint8Array[] {
    this.#deflate.push(chunk, false);
    return this.#taken();
  }

  end(): Uint8Array[] {
    this.#deflate.push(EMPTY, true);
    return this.#taken();
  }

  #taken(): Uint8Array[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

/** Decompresses a whole gzip file. */
export function gunzip(bytes: Uint8Array, source = ''): Uint8Array {
  const stream = new Gunzip(source);
  return Buffer.concat([...stream.push(bytes), ...stream.end()]);
}
