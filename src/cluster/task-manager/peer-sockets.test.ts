import { beforeEach, expect, it } from 'vitest';
import { MemoryConnections } from '../../../test/support/memory-connections.ts';
import { nextTurn, systemClock } from '../../common/clock.ts';
import type { Connection, Transport } from '../../common/transport.ts';
import { seededRandom } from '../../testing/simulation/seeded-random.ts';
import { PeerSockets } from './peer-sockets.ts';

const FIRST = { region: 'r', attempt: 1 };
const SECOND = { region: 'r', attempt: 2 };

/** One network in this thread. */
class Network implements Transport {
  readonly made: MemoryConnections[] = [];
  readonly #listening = new Map<string, (connection: Connection) => void>();

  async listen(onConnection: (connection: Connection) => void) {
    const address = `slot ${this.#listening.size}`;
    this.#listening.set(address, onConnection);
    return { address, close: async () => void this.#listening.delete(address) };
  }

  async connect(address: string): Promise<Connection> {
    const listening = this.#listening.get(address);
    if (listening === undefined) throw new TypeError('nobody listens');
    const pair = new MemoryConnections(seededRandom(this.made.length));
    this.made.push(pair);
    listening(pair.ends[1]);
    return pair.ends[0];
  }

  async settle(): Promise<void> {
    for (const pair of this.made) await pair.settle();
    for (let turn = 0; turn < 5; turn += 1) await nextTurn(systemClock);
  }
}

let network: Network;
let low: PeerSockets;
let high: PeerSockets;
let lowAddress: string;
let highAddress: string;

beforeEach(async () => {
  network = new Network();
  low = new PeerSockets(network);
  high = new PeerSockets(network);
  lowAddress = await low.listen();
  highAddress = await high.listen();
});

const atLow = (deployment = FIRST): Promise<Connection> =>
  low.open(deployment, 0, { slot: 1, address: highAddress });
const atHigh = (deployment = FIRST): Promise<Connection> =>
  high.open(deployment, 1, { slot: 0, address: lowAddress });

async function received(connection: Connection): Promise<number[]> {
  const frames: number[] = [];
  connection.onFrame((frame) => frames.push(...frame));
  await network.settle();
  return frames;
}

async function send(connection: Promise<Connection>, ...bytes: number[]): Promise<void> {
  for (const byte of bytes) (await connection).send(Uint8Array.of(byte));
}

it.each(['low', 'high'])('joins two slots, of which the %s one comes first', async (first) => {
  const mine = first === 'low' ? atLow() : undefined;
  if (mine !== undefined) await send(mine, 1, 2);
  await network.settle();
  const theirs = atHigh();
  const both = mine ?? atLow();
  if (mine === undefined) await send(both, 1, 2);
  await network.settle();
  expect(await received(await theirs)).toEqual([1, 2]);
  await send(theirs, 3);
  expect(await received(await both)).toEqual([3]);
  expect(network.made).toHaveLength(1);
});

it('tells attempts apart', async () => {
  await send(atLow(FIRST), 1);
  await send(atLow(SECOND), 2);
  await network.settle();
  expect(await received(await atHigh(SECOND))).toEqual([2]);
  expect(await received(await atHigh(FIRST))).toEqual([1]);
});

it('ends what came for an attempt that is over', async () => {
  const mine = await atLow(FIRST);
  let isOver = false;
  mine.onClose(() => (isOver = true));
  mine.onFrame(() => undefined);
  await network.settle();
  high.forget(FIRST);
  await network.settle();
  expect(isOver).toBe(true);
});

it('forgets a peer that has given up before', async () => {
  (await atLow(FIRST)).close();
  await network.settle();
  const again = atLow(FIRST);
  await send(again, 7);
  await network.settle();
  expect(await received(await atHigh(FIRST))).toEqual([7]);
});

it('drops who does not say who it is', async () => {
  const stranger = await network.connect(highAddress);
  let isOver = false;
  stranger.onClose(() => (isOver = true));
  stranger.onFrame(() => undefined);
  stranger.send(Uint8Array.of(9, 9, 9));
  await network.settle();
  expect(isOver).toBe(true);
});

it('says when a peer is not there', async () => {
  const gone = low.open(FIRST, 0, { slot: 1, address: 'nowhere' });
  await expect(gone).rejects.toThrow('nobody listens');
});
