/**
 * What the two slots of a connection say to each other. Each message is a frame of the connection:
 *
 *   uint32 kind | uint32 channel | what the kind holds
 *
 * Numbers have their low byte first: both processes are of one machine.
 */

/** A slot of the writer, from its beginning. */
export const MESSAGE_FRAME = 1;
/** Parts of a slot: uint32 how many, for each uint32 its place and uint32 its length, then all bytes. */
export const MESSAGE_PARTS = 2;
/** uint32: frames that the writer may send in addition. */
export const MESSAGE_CREDIT = 3;
/** A barrier, as msgpack. */
export const MESSAGE_ANNOUNCE = 4;
/** Nothing will be written any more. */
export const MESSAGE_WRITER_CLOSED = 5;
/** Nothing will be read any more. */
export const MESSAGE_READER_CLOSED = 6;

export const MESSAGE_HEADER_BYTES = 8;

export function message(kind: number, channel: number, content: Uint8Array = NOTHING): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER_BYTES + content.length);
  writeUint32(bytes, 0, kind);
  writeUint32(bytes, 4, channel);
  bytes.set(content, MESSAGE_HEADER_BYTES);
  return bytes;
}

/** Whether it has a header, and is of a kind that there is. */
export function isMessage(bytes: Uint8Array): boolean {
  const kind = readUint32(bytes, 0);
  return (
    bytes.length >= MESSAGE_HEADER_BYTES && kind >= MESSAGE_FRAME && kind <= MESSAGE_READER_CLOSED
  );
}

export function creditMessage(channel: number, frames: number): Uint8Array {
  const content = new Uint8Array(4);
  writeUint32(content, 0, frames);
  return message(MESSAGE_CREDIT, channel, content);
}

/** 0 beyond the end. */
export function readUint32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

const NOTHING = new Uint8Array(0);
