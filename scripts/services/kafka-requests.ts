/**
 * The few requests with which a broker is set up, made by hand: a script that starts a server must not need
 * the client that is tested against it.
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const API_VERSIONS = { key: 18, version: 0 };
const CREATE_TOPICS = { key: 19, version: 4 };
const METADATA = { key: 3, version: 1 };
const ELECT_LEADERS = { key: 43, version: 1 };
const PREFERRED = 0;
const CORRELATION_ID = 1;
const REQUEST_MAX_MS = 120_000;
const PROBE_MAX_MS = 1_000;
const LOOK_MS = 50;
/**
 * The controller is not known yet, or it moves, or brokers that stood still for a moment count as gone, and are too few for the
 * replicas: errors that go away.
 */
const NOT_YET = new Set([5, 7, 38, 41, 79]);
const TOPIC_ALREADY_EXISTS = 36;

export interface TopicOptions {
  /** 1 unless told. */
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

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
    if (error === 0 || error === TOPIC_ALREADY_EXISTS) break;
    if (!NOT_YET.has(error) || performance.now() > until) {
      throw new TypeError(`cannot create the topic ${name}: Kafka's error ${error}`);
    }
    await delay(LOOK_MS);
  }
  while (!(await isLed(port, name))) {
    if (performance.now() > until) throw new TypeError(`nobody leads the topic ${name}`);
    await delay(LOOK_MS);
  }
}

/** Whether the broker knows the topic, which it does a moment after the controller, and a leader of each partition. */
async function isLed(port: number, name: string): Promise<boolean> {
  const answer = await ask(port, METADATA, Buffer.concat([int32(1), string(name)]), REQUEST_MAX_MS);
  let at = 0;
  const skip = (bytes: number): void => {
    at += bytes;
  };
  const next = (bytes: 2 | 4): number => {
    skip(bytes);
    return bytes === 2 ? answer.readInt16BE(at - 2) : answer.readInt32BE(at - 4);
  };
  const skipText = (): void => skip(Math.max(0, next(2)));
  for (let brokers = next(4); brokers > 0; brokers -= 1) {
    next(4); // its id
    skipText(); // its host
    next(4); // its port
    skipText(); // its rack
  }
  next(4); // the controller
  next(4); // one topic
  if (next(2) !== 0) return false;
  skipText(); // its name
  skip(1); // not internal
  const partitions = next(4);
  for (let left = partitions; left > 0; left -= 1) {
    const [error, , leader] = [next(2), next(4), next(4)];
    if (error !== 0 || leader < 0) return false;
    skip(4 * next(4)); // its replicas
    skip(4 * next(4)); // those in sync
  }
  return partitions > 0;
}

/** Makes the first replica of each partition its leader where that one is in sync, as an operator does it. */
export async function electPreferredLeaders(port: number): Promise<void> {
  const allPartitions = int32(-1);
  const body = Buffer.concat([Buffer.from([PREFERRED]), allPartitions, int32(REQUEST_MAX_MS)]);
  const until = performance.now() + REQUEST_MAX_MS;
  for (;;) {
    const answer = await ask(port, ELECT_LEADERS, body, REQUEST_MAX_MS);
    // throttle time, then the error of the whole
    const error = answer.readInt16BE(4);
    if (error === 0) return;
    if (!NOT_YET.has(error) || performance.now() > until) {
      throw new TypeError(`cannot elect leaders: Kafka's error ${error}`);
    }
    await delay(LOOK_MS);
  }
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
