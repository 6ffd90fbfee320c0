/**
 * Records per second from one thread to another: over a ring, over a socket as between processes, and
 * as batches by `postMessage`.
 *
 * Usage: `node bench/ring.ts [records in millions]`. CPU is that of both threads together.
 */
import { MessageChannel, parentPort, Worker, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { nodeTransport } from '../src/common/node-transport.ts';
import type { Connection } from '../src/common/transport.ts';
import { isBatch, type ChannelReader, type ChannelWriter } from '../src/runtime/channel.ts';
import { createRing } from '../src/runtime/ring.ts';
import { ThreadLink, threadLinkEnds, type ThreadLinkEnd } from '../src/runtime/ring-link.ts';
import { SocketLink } from '../src/runtime/socket-link.ts';

type Way = 'ring' | 'socket' | 'postMessage';
type Make = (n: number) => unknown;

const TOKEN = 'the token of a benchmark, known to everybody';
const KEYS = 100_000;
const BATCH = 256;
/** Batches by `postMessage` that may be on their way. */
const POSTED_MAX = 16;
/** Records after which the writer lets its event loop have a turn, as a task thread does. */
const TURN_RECORDS = 20_000;

const RECORDS: Readonly<Record<string, Make>> = {
  'three ints': (n) => ({ key: n % KEYS, value: n & 1023, ts: n }),
  'five fields': (n) => ({
    id: n,
    device: `dev-${n % 1000}`,
    price: n * 0.25,
    quantity: n & 15,
    active: (n & 1) === 0,
  }),
  'string key': (n) => ({ key: `user-${n % KEYS}`, value: n & 1023 }),
  'two shapes in turn': (n) =>
    (n & 1) === 0 ? { key: n % KEYS, clicks: n & 15 } : { key: n % KEYS, page: 'start', ms: 0.5 },
  'nested object': (n) => ({ key: n % KEYS, at: { x: n & 255, y: 1 } }),
};

interface Load {
  readonly way: Way;
  readonly records: string;
  readonly count: number;
  readonly link: ThreadLinkEnd;
  readonly memory: SharedArrayBuffer;
  readonly port: MessagePort;
  /** Where the reader listens. */
  readonly address: string;
}

async function write(load: Load): Promise<void> {
  const make = RECORDS[load.records];
  if (make === undefined) return;
  if (load.way === 'ring') {
    const link = new ThreadLink(load.link);
    await writeToChannel(link.writer(1, load.memory), make, load.count);
  } else if (load.way === 'socket') {
    const link = new SocketLink(nodeTransport({ token: TOKEN }).connect(load.address));
    await writeToChannel(link.writer(1), make, load.count);
  } else await post(load.port, make, load.count);
}

async function writeToChannel(writer: ChannelWriter, make: Make, count: number): Promise<void> {
  let wake = (): void => undefined;
  writer.onWritable(() => wake());
  for (let n = 0; n < count; n++) {
    if (!writer.append(make(n), n, n)) {
      while (!writer.isWritable()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (writer.isWritable()) resolve();
        });
      }
    } else if (n % TURN_RECORDS === 0) await turn();
  }
  writer.control({ kind: 'end-of-data' });
}

async function post(port: MessagePort, make: Make, count: number): Promise<void> {
  let onItsWay = 0;
  let wake = (): void => undefined;
  port.on('message', () => {
    onItsWay--;
    wake();
  });
  for (let from = 0; from < count; from += BATCH) {
    const values = Array.from({ length: Math.min(BATCH, count - from) }, (_, at) =>
      make(from + at),
    );
    port.postMessage(values);
    onItsWay++;
    while (onItsWay >= POSTED_MAX) await new Promise<void>((resolve) => (wake = resolve));
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Reads all, looking at each record. */
async function readChannel(reader: ChannelReader): Promise<number> {
  let wake = (): void => undefined;
  reader.onReadable(() => wake());
  let seen = 0;
  for (let batches = 1; ; batches++) {
    const element = reader.peek();
    if (element === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (reader.peek() !== undefined) resolve();
      });
      continue;
    }
    if (isBatch(element)) seen += countObjects(element.values, element.size);
    else if (element.kind === 'end-of-data') return seen;
    reader.release();
    if (batches % (TURN_RECORDS / BATCH) < 1) await turn();
  }
}

async function readPort(port: MessagePort, count: number): Promise<number> {
  let seen = 0;
  await new Promise<void>((resolve) => {
    port.on('message', (values: readonly unknown[]) => {
      seen += countObjects(values, values.length);
      port.postMessage(0);
      if (seen === count) resolve();
    });
  });
  return seen;
}

function countObjects(values: readonly unknown[], size: number): number {
  let count = 0;
  for (let i = 0; i < size; i++) if (typeof values[i] === 'object') count++;
  return count;
}

async function measure(way: Way, records: string, count: number): Promise<string> {
  const links = new MessageChannel();
  const data = new MessageChannel();
  const [near, far] = threadLinkEnds(links.port1, links.port2);
  let arrive: (connection: Connection) => void = () => undefined;
  const arrived = new Promise<Connection>((resolve) => (arrive = resolve));
  const listener = await nodeTransport({ token: TOKEN }).listen(arrive);
  const { address } = listener;
  const load: Load = {
    ...{ way, records, count, address },
    ...{ link: far, memory: createRing(), port: data.port2 },
  };
  const worker = new Worker(new URL(import.meta.url), {
    workerData: load,
    transferList: [links.port2, data.port2],
  });
  await new Promise((resolve) => worker.once('message', resolve));
  const link = new ThreadLink(near);
  const socket = new SocketLink(arrived);
  const cpu = process.cpuUsage();
  const start = performance.now();
  worker.postMessage('go');
  const seen =
    way === 'postMessage'
      ? await readPort(data.port1, count)
      : await readChannel(way === 'ring' ? link.reader(1, load.memory) : socket.reader(1));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await worker.terminate();
  link.close();
  socket.close();
  await listener.close();
  data.port1.close();
  if (seen !== count) console.error(`${way}: ${seen} of ${count} records came`);
  const rate = (count / seconds / 1e6).toFixed(2);
  return `${rate} M/s ${(((user + system) * 1000) / count).toFixed(0)} CPU ns`;
}

if (parentPort === null) {
  const count = Number(process.argv[2] ?? 10) * 1e6;
  for (const records of Object.keys(RECORDS)) {
    const ring = [];
    const socket = [];
    for (let round = 0; round < 3; round++) {
      ring.push(await measure('ring', records, count));
      socket.push(await measure('socket', records, count));
    }
    const posted = await measure('postMessage', records, count / 10);
    console.log(`${records.padEnd(20)} ring: ${ring.join(', ')}`);
    console.log(`${''.padEnd(20)} socket: ${socket.join(', ')}`);
    console.log(`${''.padEnd(20)} postMessage: ${posted}`);
  }
} else {
  parentPort.once('message', () => {
    void write(workerData as Load);
  });
  parentPort.postMessage('ready');
}
