/**
 * The few requests with which a broker is set up, made by hand: a script that starts a server must not need
 * the client that is tested against it.
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TopicOptions } from './kafka.ts';

const API_VERSIONS = { key: 18, version: 0 };
const CREATE_TOPICS = { key: 19, version: 4 };
const ELECT_LEADERS = { key: 43, version: 1 };
const PREFERRED = 0;
const CORRELATION_ID = 1;
const REQUEST_MAX_MS = 30_000;
const PROBE_MAX_MS = 1_000;
const LOOK_MS = 50;
/** The controller is not known yet, or it moves: errors that go away. */
const NOT_YET = new Set([5, 7, 41, 79]);
const TOPIC_ALREADY_EXISTS = 36;

/** Whether a broker answers at all, without an error. */
export async function isServing(port: number): Promise<boolean> {
  try {
    const answer = await ask(port, API_VERSIONS, Buffer.alloc(0), PROBE_MAX_MS);
    return answer.readInt16BE(0) === 0;
  } catch {
    return false;
  }
}

/** Makes a topic and waits until its partitions can be written. One that is there already is left as it is. */
export async function createTopic(
  port: number,
  name: string,
  options: TopicOptions = {},
): Promise<void> {
  const configs = Object.entries(options.configs ?? {});
  const body = Buffer.concat([
    int32(1),
    string(name),
    int32(options.partitions ?? 1),
    int16(options.replicationFactor ?? 1),
    int32(0),
    int32(configs.length),
    ...configs.flatMap(([key, value]) => [string(key), string(value)]),
    int32(REQUEST_MAX_MS),
    Buffer.from([0]),
  ]);
  const until = performance.now() + REQUEST_MAX_MS;
  for (;;) {
    const answer = await ask(port, CREATE_TOPICS, body, REQUEST_MAX_MS);
    // throttle time, one topic, its name, its error
    const error = answer.readInt16BE(4 + 4 + 2 + answer.readInt16BE(8));
    if (error === 0 || error === TOPIC_ALREADY_EXISTS) return;
    if (!NOT_YET.has(error) || performance.now() > until) {
      throw new TypeError(`cannot create the topic ${name}: Kafka's error ${error}`);
    }
    await delay(LOOK_MS);
  }
}

/** Makes the first replica of each partition its leader where that one is in sync, as an operator does it. */
export async function electPreferredLeaders(port: number): Promise<void> {
  const allPartitions = int32(-1);
  const body = Buffer.concat([Buffer.from([PREFERRED]), allPartitions, int32(REQUEST_MAX_MS)]);
  const answer = await ask(port, ELECT_LEADERS, body, REQUEST_MAX_MS);
  // throttle time, then the error of the whole
  const error = answer.readInt16BE(4);
  if (error !== 0) throw new TypeError(`cannot elect leaders: Kafka's error ${error}`);
}

/** One request on a connection of its own; what is answered after the header. */
async function ask(
  port: number,
  api: { readonly key: number; readonly version: number },
  body: Buffer,
  maxMs: number,
): Promise<Buffer> {
  const header = Buffer.concat([
    int16(api.key),
    int16(api.version),
    int32(CORRELATION_ID),
    string('set-up'),
  ]);
  const socket = net.connect(port, '127.0.0.1');
  socket.setTimeout(maxMs, () => socket.destroy(new TypeError('no answer')));
  socket.write(Buffer.concat([int32(header.length + body.length), header, body]));
  let received = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.length < 4) continue;
      const end = 4 + received.readInt32BE(0);
      if (received.length >= end) return received.subarray(8, end);
    }
  } finally {
    socket.destroy();
  }
  throw new TypeError('the broker hung up');
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int16(bytes.length), bytes]);
}
