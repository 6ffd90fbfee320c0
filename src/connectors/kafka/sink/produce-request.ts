/** One produce request, of version 9, with batches that are bytes already. */
import type { Connection, produceV9 } from '@platformatic/kafka';
import { library } from '../client/library.ts';
import type { Batch } from './producer-transaction.ts';

const PRODUCE = 0;
const VERSION = 9;
const ALL_REPLICAS = -1;

export interface ProduceRequest {
  readonly transactionalId: string | undefined;
  /** One per partition at most. */
  readonly batches: readonly Batch[];
  /** How long the leader waits for the replicas. */
  readonly timeoutMs: number;
}

export interface ProduceAnswer {
  /** Kafka's name; undefined: it is written. */
  readonly error: string | undefined;
  readonly baseOffset: bigint;
}

type ProduceResponse = produceV9.ProduceResponse;

let api: ReturnType<typeof makeApi> | undefined;

function makeApi() {
  const { createAPI, Writer, produceV9 } = library();
  return createAPI(
    PRODUCE,
    VERSION,
    ({ transactionalId, batches, timeoutMs }: ProduceRequest) =>
      Writer.create()
        .appendString(transactionalId ?? null)
        .appendInt16(ALL_REPLICAS)
        .appendInt32(timeoutMs)
        .appendArray(byTopic(batches), (topicWriter, [topic, ofTopic]) => {
          topicWriter.appendString(topic).appendArray(ofTopic, (writer, { lane, bytes }) => {
            writer.appendInt32(lane.partition).appendBytes(bytes ?? Buffer.alloc(0));
          });
        })
        .appendTaggedFields(),
    produceV9.parseResponse,
  );
}

/** Answers by batch; one that is missing was not answered. */
export async function produce(
  connection: Connection,
  request: ProduceRequest,
): Promise<Map<Batch, ProduceAnswer>> {
  api ??= makeApi();
  const { responses } = await responseOf(api.async(connection, request));
  const answers = new Map<string, ProduceAnswer>();
  for (const { name, partitionResponses } of responses) {
    for (const { index, errorCode, baseOffset } of partitionResponses) {
      const error = errorCode === 0 ? undefined : errorNamed(errorCode);
      answers.set(`${name}-${index}`, { error, baseOffset });
    }
  }
  const byBatch = new Map<Batch, ProduceAnswer>();
  for (const batch of request.batches) {
    const answer = answers.get(batch.lane.name);
    if (answer !== undefined) byBatch.set(batch, answer);
  }
  return byBatch;
}

/** The library throws an answer in which one partition is in trouble. */
async function responseOf(asking: Promise<ProduceResponse>): Promise<ProduceResponse> {
  try {
    return await asking;
  } catch (error) {
    const { ResponseError } = library();
    const response: unknown = error instanceof ResponseError ? error['response'] : undefined;
    if (response === undefined) throw error;
    return response as ProduceResponse;
  }
}

function errorNamed(code: number): string {
  return library().protocolErrorsCodesById[code] ?? `error ${code}`;
}

function byTopic(batches: readonly Batch[]): [string, Batch[]][] {
  const topics = new Map<string, Batch[]>();
  for (const batch of batches) {
    const { topic } = batch.lane;
    const list = topics.get(topic);
    if (list === undefined) topics.set(topic, [batch]);
    else list.push(batch);
  }
  return [...topics];
}
