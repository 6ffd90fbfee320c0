import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { nodeTransport } from '../../src/common/node-transport.ts';
import type { Connection } from '../../src/common/transport.ts';
import { SocketLink, type SocketLinkOptions } from '../../src/runtime/socket-link.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { MemoryConnections } from '../support/memory-connections.ts';
import { channelConformance } from './channel.ts';
import { drivenChannelConformance, type ChannelPair } from './driven-channel.ts';
import type { SocketPeerData } from './socket-peer.ts';
import { WriterDriver, type WriterCommand, type WriterState } from './writer-driver.ts';

/** Slots so few and small that everything has to wait and to be cut. */
const SMALL: SocketLinkOptions = { slots: 4, slotBytes: 4096 };
const TOKEN = 'the token of the conformance suite, known to all';

const PEER = new URL('./socket-peer.ts', import.meta.url);

/** The seed of the next pair's interleaving. */
let pairs = 0;

function inOneThread(options: SocketLinkOptions): ChannelPair {
  const { ends } = new MemoryConnections(seededRandom(pairs++));
  const links = [new SocketLink(ends[0], options), new SocketLink(ends[1], options)] as const;
  const reader = links[0].reader(1);
  const writer = new WriterDriver(links[1].writer(1));
  const dispose = async () => links[0].close();
  return { reader, writer, killWriter: async () => ends[1].destroy(), dispose };
}

interface Peer {
  readonly say: (message: unknown) => void;
  readonly onMessage: (listener: (message: unknown) => void) => void;
  readonly kill: () => Promise<void>;
}

function peerProcess(data: SocketPeerData): Peer {
  const child = fork(PEER, [JSON.stringify(data)], { serialization: 'advanced' });
  const exited = once(child, 'exit');
  return {
    say: (message) => child.send(message as object),
    onMessage: (listener) => child.on('message', listener),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function peerThread(data: SocketPeerData): Peer {
  const worker = new Worker(PEER, { workerData: data });
  return {
    say: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.on('message', listener),
    async kill() {
      await worker.terminate();
    },
  };
}

async function overTcp(
  start: (data: SocketPeerData) => Peer,
  options: SocketLinkOptions,
): Promise<ChannelPair> {
  let arrive: (connection: Connection) => void = () => undefined;
  const arrived = new Promise<Connection>((resolve) => {
    arrive = resolve;
  });
  const listener = await nodeTransport({ token: TOKEN }).listen(arrive);
  const link = new SocketLink(arrived, options);
  const peer = start({ token: TOKEN, address: listener.address, options });
  const answers = new Map<number, (state: WriterState) => void>();
  await new Promise<void>((resolve) => {
    peer.onMessage((message) => {
      if (message === 'ready') {
        resolve();
        return;
      }
      const { id, state } = message as { id: number; state: WriterState };
      answers.get(id)?.(state);
      answers.delete(id);
    });
  });
  let next = 0;
  const run = async (command: WriterCommand) =>
    new Promise<WriterState>((resolve) => {
      const id = next++;
      answers.set(id, resolve);
      peer.say({ id, command });
    });
  const dispose = async () => {
    link.close();
    await Promise.all([peer.kill(), listener.close()]);
  };
  return { reader: link.reader(1), writer: { run }, killWriter: peer.kill, dispose };
}

drivenChannelConformance('socket in one thread', {
  open: async () => inOneThread({}),
  captures: 'handed-over',
});
drivenChannelConformance('socket with few small slots in one thread', {
  open: async () => inOneThread(SMALL),
  captures: 'little',
});
drivenChannelConformance('socket between processes', {
  open: () => overTcp(peerProcess, {}),
  captures: 'handed-over',
});
drivenChannelConformance('socket with few small slots between threads', {
  open: () => overTcp(peerThread, SMALL),
  captures: 'little',
});

channelConformance('socket', async () => {
  const connections = new MemoryConnections(seededRandom(pairs++));
  const [near, far] = connections.ends;
  const links = [new SocketLink(near), new SocketLink(far)] as const;
  onTestFinished(() => links[0].close());
  return {
    writer: links[1].writer(1),
    reader: links[0].reader(1),
    settle: () => connections.settle(),
  };
});
