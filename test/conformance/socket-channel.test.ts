import { fork } from 'node:child_process';
import { once } from 'node:events';
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

let pairs = 0;

function inOneThread(options: SocketLinkOptions): ChannelPair {
  const { ends } = new MemoryConnections(seededRandom(pairs++));
  const links = [new SocketLink(ends[0], options), new SocketLink(ends[1], options)] as const;
  const reader = links[0].reader(1);
  const writer = new WriterDriver(links[1].writer(1));
  const dispose = async () => links[0].close();
  return { reader, writer, killWriter: async () => ends[1].destroy(), dispose };
}

async function toProcess(options: SocketLinkOptions): Promise<ChannelPair> {
  let arrive: (connection: Connection) => void = () => undefined;
  const arrived = new Promise<Connection>((resolve) => {
    arrive = resolve;
  });
  const listener = await nodeTransport({ token: TOKEN }).listen(arrive);
  const data: SocketPeerData = { token: TOKEN, address: listener.address, options };
  const child = fork(new URL('./socket-peer.ts', import.meta.url), [JSON.stringify(data)], {
    serialization: 'advanced',
  });
  const link = new SocketLink(arrived, options);
  const answers = new Map<number, (state: WriterState) => void>();
  let next = 0;
  const run = async (command: WriterCommand) =>
    new Promise<WriterState>((resolve) => {
      const id = next++;
      answers.set(id, resolve);
      child.send({ id, command });
    });
  await once(child, 'message');
  child.on('message', ({ id, state }: { id: number; state: WriterState }) => {
    answers.get(id)?.(state);
    answers.delete(id);
  });
  const exited = once(child, 'exit');
  const killWriter = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const dispose = async () => {
    link.close();
    await Promise.all([killWriter(), listener.close()]);
  };
  return { reader: link.reader(1), writer: { run }, killWriter, dispose };
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
  open: () => toProcess({}),
  captures: 'handed-over',
});
drivenChannelConformance('socket with few small slots between processes', {
  open: () => toProcess(SMALL),
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
