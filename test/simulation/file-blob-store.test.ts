/*
 * Goal: FileBlobStore keeps its promises through crashes: what was reported is there afterwards,
 * nothing is there in half, compare-and-swap has one winner, whatever processes die and whenever.
 *
 * Method: a seed makes a script of calls for three processes on a simulated disk. It is run once to
 * count its write points, then once for each write point and each of
 *   - power failure before, or after it,
 *   - kill -9 of the process at it, the others going on, and a power failure at the end,
 *   - a failure of that operation (EIO, the disk then healthy), and a power failure at the end.
 * The survivors and a new process look at everything; all answers of a run must be those of one
 * linearizable register for each path.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/file-blob-store.test.ts
 *
 * Planted once, and found by this test: no sync of a file; a second sync after a failed one; no sync
 * of the folder after the link, or of the folders above it; a folder remembered as durable by its path
 * instead of its identity; no sync of a body's name before the head's rename; none of the prepared
 * folder; none after the rename; none before a deleted blob's bodies are removed; none of what a read
 * saw, or of what is reported as taken; none after a delete; rename instead of link; the new head
 * linked, or made, instead of renamed; bodies of the next version removed too.
 */
import { describe, expect, it } from 'vitest';
import { nextTurn, sleep } from '../../src/common/clock.ts';
import { randomInt, type Random } from '../../src/common/random.ts';
import type { Etag } from '../../src/storage/blob-store.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';
import { Simulation, type DiskWrite, type SimulatedProcess } from '../../src/testing/index.ts';
import { seedsBeside } from '../support/seed.ts';
import { BlobStoreHistory, type WatchedStore } from './blob-store-history.ts';

/** The last one: a blob is deleted while others remove its folder and make it anew. */
const SEEDS = seedsBeside('1', '2', '6b43448d');

const ROOT = '/var/lib/store';
const WRITERS = ['w1', 'w2', 'w3'];

/** What the processes do, by shares of all calls. */
interface Profile {
  readonly name: string;
  readonly paths: readonly string[];
  readonly callsPerWriter: number;
  readonly shares: Readonly<Record<'create' | 'make' | 'replace' | 'delete' | 'read', number>>;
  /** How much longer a sync takes: others see more of what is not durable. */
  readonly slowSyncMs: number;
}

const PROFILES: readonly Profile[] = [
  {
    name: 'everything',
    paths: ['job/HEAD', 'job/chk/1/data', 'top', 'job/chk/1/state'],
    callsPerWriter: 5,
    shares: { create: 4, make: 4, replace: 6, delete: 3, read: 3 },
    slowSyncMs: 0,
  },
  {
    name: 'folders that come and go',
    paths: ['deep/er/a', 'deep/er/b'],
    callsPerWriter: 6,
    shares: { create: 6, make: 0, replace: 0, delete: 4, read: 0 },
    slowSyncMs: 3,
  },
  {
    name: 'replaceable blobs that come and go',
    paths: ['job/HEAD'],
    callsPerWriter: 5,
    shares: { create: 1, make: 4, replace: 3, delete: 5, read: 2 },
    slowSyncMs: 1,
  },
  {
    name: 'one hot blob',
    paths: ['job/HEAD'],
    callsPerWriter: 6,
    shares: { create: 0, make: 1, replace: 5, delete: 0, read: 4 },
    slowSyncMs: 5,
  },
];

type Blow =
  | { readonly kind: 'none' }
  | { readonly kind: 'power' | 'kill'; readonly at: number; readonly moment: 'before' | 'after' }
  | { readonly kind: 'error'; readonly at: number };

describe.each(PROFILES)('FileBlobStore, $name', (profile) => {
  describe.each(SEEDS)('SEED=%s', (seed) => {
    it('keeps its promises without a crash', async () => {
      const { writePoints } = await run(profile, seed, { kind: 'none' });
      expect(writePoints).toBeGreaterThan(20);
    });

    it.each(['power', 'kill'] as const)('keeps them through %s at each write', async (kind) => {
      const { writePoints } = await run(profile, seed, { kind: 'none' });
      for (let at = 1; at <= writePoints; at += 1) {
        await run(profile, seed, { kind, at, moment: 'before' });
        await run(profile, seed, { kind, at, moment: 'after' });
      }
    });

    it('keeps them through a failure of each write', async () => {
      const { writePoints } = await run(profile, seed, { kind: 'none' });
      for (let at = 1; at <= writePoints; at += 1) await run(profile, seed, { kind: 'error', at });
    });
  });
});

async function run(profile: Profile, seed: string, blow: Blow): Promise<{ writePoints: number }> {
  // The seed alone decides what happens until the blow falls.
  const simulation = new Simulation({ seed });
  const history = new BlobStoreHistory(simulation);
  const game = { simulation, history, profile };
  try {
    await simulation.run(() => play(game, blow), { eventsMax: 50_000 });
    expect(history.problem()).toBeUndefined();
  } catch (error) {
    if (error instanceof Error) {
      error.message = `SEED=${seed} ${JSON.stringify(blow)}: ${error.message}`;
    }
    throw error;
  }
  return { writePoints: simulation.disk.writePoints() };
}

interface Game {
  readonly simulation: Simulation;
  readonly history: BlobStoreHistory;
  readonly profile: Profile;
}

async function play(game: Game, blow: Blow): Promise<void> {
  const { simulation, history, profile } = game;
  const processes = WRITERS.map((name) => simulation.process(name));
  const blown = arrange(game, blow, processes);
  const delayMs = profile.slowSyncMs;
  simulation.disk.fail({ operations: ['sync', 'syncFolder'], delayMs, times: Infinity });
  const finished = processes.map((process) => {
    const work = process.start(() => script(process, game));
    const killed = new Promise<void>((resolve) => process.onKill(resolve));
    return Promise.race([work, killed]);
  });
  await Promise.all(finished);
  blown();
  if (blow.kind === 'none') return;
  await examine(game, 'survivor');
  simulation.disk.crash();
  history.crashed();
  await examine(game, 'heir');
}

/** Plans the blow. What is returned takes it back if it has not fallen. */
function arrange(
  { simulation, history }: Game,
  blow: Blow,
  processes: readonly SimulatedProcess[],
): () => void {
  const { disk } = simulation;
  for (const process of processes) process.onKill(() => history.died(process.id));
  switch (blow.kind) {
    case 'none':
      return () => undefined;
    case 'error':
      return disk.fail({ operations: WRITES, skip: blow.at - 1, errno: 'EIO' });
    case 'kill':
      void disk.crashAt(blow.at, blow.moment);
      return () => undefined;
    case 'power':
      void disk.crashAt(blow.at, blow.moment).then(() => {
        disk.crash();
        history.crashed();
      });
      return () => undefined;
  }
}

const WRITES: readonly DiskWrite[] = [
  ...(['create', 'write', 'sync', 'link', 'rename'] as const),
  ...(['remove', 'removeFolder', 'makeFolder', 'syncFolder'] as const),
];

async function script(process: SimulatedProcess, game: Game): Promise<void> {
  const { simulation, history, profile } = game;
  const { fs, random, clock } = process;
  const store = history.watch(new FileBlobStore(fs, ROOT, random.fork('store')), process.id);
  const known = new Map<string, Etag>();
  const choice = random.fork('script');
  for (let i = 0; i < profile.callsPerWriter; i += 1) {
    if (choice.next() < 0.5) await sleep(clock, choice.next() * 10);
    else await nextTurn(clock);
    simulation.trace(`${process.id} call ${i}`);
    await call(store, choice, known, game);
  }
}

async function call(
  store: WatchedStore,
  random: Random,
  known: Map<string, Etag>,
  { history, profile }: Game,
): Promise<void> {
  const path = profile.paths[randomInt(random, profile.paths.length)] ?? 'top';
  const content = history.freshContent(randomInt(random, 3) === 0 ? 3000 : 10);
  const remember = (answer: { etag?: Etag | undefined } | undefined): void => {
    if (answer?.etag !== undefined) known.set(path, answer.etag);
  };
  switch (drawn(profile, random)) {
    case 'create':
      remember(await store.create(path, content));
      break;
    case 'make':
      remember(await store.replaceIf(path, content, undefined));
      break;
    case 'replace':
      if (!known.has(path) || random.next() < 0.5) remember(await store.read(path));
      remember(await store.replaceIf(path, content, known.get(path)));
      break;
    case 'delete':
      await store.delete(path);
      break;
    case 'read':
      remember(await store.read(path));
      break;
  }
}

function drawn({ shares }: Profile, random: Random): keyof Profile['shares'] {
  const all = [
    ...Array<'create'>(shares.create).fill('create'),
    ...Array<'make'>(shares.make).fill('make'),
    ...Array<'replace'>(shares.replace).fill('replace'),
    ...Array<'delete'>(shares.delete).fill('delete'),
    ...Array<'read'>(shares.read).fill('read'),
  ];
  return all[randomInt(random, all.length)] ?? 'read';
}

/** A new process sees what is there, twice, and can go on from it. */
async function examine({ simulation, history, profile }: Game, name: string): Promise<void> {
  const process = simulation.process(name);
  const files = new FileBlobStore(process.fs, ROOT, process.random);
  const store = history.watch(files, process.id);
  const there: string[] = [];
  for (const path of profile.paths) {
    const found = await store.read(path);
    if (found?.etag !== undefined) there.push(path);
  }
  const listed: string[] = [];
  for await (const entry of files.list('')) listed.push(entry.path);
  expect(listed).toEqual(there.sort());
  for (const path of profile.paths) {
    const found = await store.read(path);
    const content = history.freshContent(10);
    if (found?.etag !== undefined) await store.replaceIf(path, content, found.etag);
    else await store.create(path, content);
    await store.read(path);
  }
}
