import { MessageChannel, Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { nextTurn, systemClock } from '../../src/common/clock.ts';
import { LocalChannel } from '../../src/runtime/local-channel.ts';
import { createRing, type RingOptions } from '../../src/runtime/ring.ts';
import { ThreadLink, threadLinkEnds } from '../../src/runtime/ring-link.ts';
import { channelConformance } from './channel.ts';
import { drivenChannelConformance, type ChannelPair } from './driven-channel.ts';
import type { RingPeerData } from './ring-peer.ts';
import { WriterDriver, type WriterCommand, type WriterState } from './writer-driver.ts';

/** Slots so few and small that everything has to wait and to be cut. */
const SMALL: RingOptions = { slots: 4, slotBytes: 4096 };

function localPair(): ChannelPair {
  const { writer, reader } = new LocalChannel();
  const dispose = async () => undefined;
  return { reader, writer: new WriterDriver(writer), killWriter: undefined, dispose };
}

function ringInOneThread(options: RingOptions): ChannelPair {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = threadLinkEnds(port1, port2);
  const memory = createRing(options);
  const links = [new ThreadLink(near), new ThreadLink(far)] as const;
  const reader = links[0].reader(1, memory);
  const writer = new WriterDriver(links[1].writer(1, memory));
  const dispose = async () => links[0].close();
  return { reader, writer, killWriter: async () => links[1].close(), dispose };
}

async function ringToWorker(options: RingOptions): Promise<ChannelPair> {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = threadLinkEnds(port1, port2);
  const memory = createRing(options);
  const workerData: RingPeerData = { link: far, memory };
  const worker = new Worker(new URL('./ring-peer.ts', import.meta.url), {
    workerData,
    transferList: [port2],
  });
  const link = new ThreadLink(near);
  const answers = new Map<number, (state: WriterState) => void>();
  worker.on('message', ({ id, state }: { id: number; state: WriterState }) => {
    answers.get(id)?.(state);
    answers.delete(id);
  });
  let next = 0;
  const run = async (command: WriterCommand) =>
    new Promise<WriterState>((resolve, reject) => {
      const id = next++;
      answers.set(id, resolve);
      worker.once('error', reject);
      worker.postMessage({ id, command });
    });
  worker.setMaxListeners(0);
  const killWriter = async () => {
    await worker.terminate();
  };
  const dispose = async () => {
    link.close();
    await worker.terminate();
  };
  return { reader: link.reader(1, memory), writer: { run }, killWriter, dispose };
}

drivenChannelConformance('in one thread', { open: async () => localPair(), captures: 'all' });
drivenChannelConformance('ring in one thread', {
  open: async () => ringInOneThread({}),
  captures: 'handed-over',
});
drivenChannelConformance('small ring whose counters wrap around', {
  open: async () => ringInOneThread({ ...SMALL, firstSlot: 2 ** 31 - 5 }),
  captures: 'little',
});
drivenChannelConformance('small ring whose counters pass zero', {
  open: async () => ringInOneThread({ ...SMALL, firstSlot: -3 }),
  captures: 'little',
});
drivenChannelConformance('ring between threads', {
  open: () => ringToWorker({ firstSlot: -3 }),
  captures: 'handed-over',
});
drivenChannelConformance('small ring between threads', {
  open: () => ringToWorker(SMALL),
  captures: 'little',
});

channelConformance('ring', async () => {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = threadLinkEnds(port1, port2);
  const memory = createRing();
  const links = [new ThreadLink(near), new ThreadLink(far)] as const;
  onTestFinished(() => links[0].close());
  const settle = async () => {
    for (let turns = 0; turns < 4; turns++) await nextTurn(systemClock);
  };
  return { writer: links[1].writer(1, memory), reader: links[0].reader(1, memory), settle };
});
