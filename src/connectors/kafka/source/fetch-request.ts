/**
 * Fetch, version 16, with an answer that keeps the records as the bytes they came in, and errors as
 * data: the library's own parser makes an object of each record, and throws a whole answer away when one
 * partition in it has an error.
 */
import type { Connection, fetchV16, Reader } from '@platformatic/kafka';
import { library } from '../client/library.ts';
import type { AbortedTransaction } from './record-cursor.ts';

export interface FetchedPartition {
  readonly topicId: string;
  readonly partition: number;
  /** Kafka's name; undefined: none. */
  readonly error: string | undefined;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly records: Buffer;
  /** The first offset at which the leader has something else than what was fetched before; undefined: nowhere. */
  readonly divergesAt: number | undefined;
}

export interface Fetched {
  readonly error: string | undefined;
  readonly partitions: readonly FetchedPartition[];
}

type FetchArguments = Parameters<typeof fetchV16.createRequest>;

let api: ReturnType<typeof makeApi> | undefined;

/** Sends one. The arguments are those of Fetch, in the protocol's order. */
export function fetchRaw(connection: Connection, ...args: FetchArguments): Promise<Fetched> {
  api ??= makeApi();
  return api.async(connection, ...args);
}

function makeApi() {
  const { createAPI, fetchV16 } = library();
  return createAPI<FetchArguments, Fetched>(
    fetchV16.api.key,
    fetchV16.api.version,
    fetchV16.createRequest,
    (_correlationId, _apiKey, _apiVersion, reader) => readAnswer(reader),
  );
}

const EMPTY = Buffer.alloc(0);

function readAnswer(reader: Reader): Fetched {
  reader.readInt32(); // throttled for so long: the broker has waited already
  const error = errorName(reader.readInt16());
  reader.readInt32(); // session
  const topics = reader.readArray((topic) => {
    const topicId = topic.readUUID();
    return topic.readArray((partition) => readPartition(topicId, partition), true, false);
  });
  return { error, partitions: topics.flat() };
}

function readPartition(topicId: string, reader: Reader): FetchedPartition {
  const partition = reader.readInt32();
  const error = errorName(reader.readInt16());
  const highWatermark = Number(reader.readInt64());
  const lastStableOffset = Number(reader.readInt64());
  const logStartOffset = Number(reader.readInt64());
  const aborted = reader.readNullableArray((one) => ({
    producerId: one.readInt64(),
    firstOffset: Number(one.readInt64()),
  }));
  reader.readInt32(); // preferred read replica: we read from leaders
  // 0 is null, and the length is one more than it is.
  const length = reader.readUnsignedVarInt() - 1;
  let records: Buffer = EMPTY;
  if (length > 0) {
    records = reader.buffer.slice(reader.position, reader.position + length);
    reader.skip(length);
  }
  const divergesAt = readDivergence(reader);
  return {
    topicId,
    partition,
    error,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    // The broker does not promise an order.
    aborted: (aborted ?? []).sort((a, b) => a.firstOffset - b.firstOffset),
    records,
    divergesAt,
  };
}

/** Of the optional fields at a partition's end the first one: an epoch, and where it ends. */
function readDivergence(reader: Reader): number | undefined {
  let divergesAt: number | undefined;
  for (let left = reader.readUnsignedVarInt(); left > 0; left -= 1) {
    const tag = reader.readUnsignedVarInt();
    const end = reader.readUnsignedVarInt() + reader.position;
    if (tag === 0) {
      reader.readInt32();
      divergesAt = Number(reader.readInt64());
    }
    reader.skip(end - reader.position);
  }
  return divergesAt;
}

function errorName(code: number): string | undefined {
  return code === 0 ? undefined : (library().protocolErrorsCodesById[code] ?? `error ${code}`);
}
