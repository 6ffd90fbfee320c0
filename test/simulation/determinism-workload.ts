import { nextTurn, sleep } from '../../src/common/clock.ts';
import { randomInt } from '../../src/common/random.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';
import { Simulation, type SimulatedWorld } from '../../src/testing/index.ts';

/** Three processes with timers, turns, races and files; one of them is killed and power fails. */
export async function workload(seed: string, keepLog = false): Promise<Simulation> {
  const simulation = new Simulation({ seed, keepLog });
  const processes = ['a', 'b', 'c'].map((name) => simulation.process(name));
  simulation.disk.fail({ operations: ['sync'], skip: 7, errno: 'EIO' });
  await simulation.run(async () => {
    const work = processes.map((process) =>
      Promise.race([process.start(busy), new Promise<void>((resolve) => process.onKill(resolve))]),
    );
    await sleep(simulation.clock, 50 * simulation.random.next());
    processes[0]?.kill();
    await Promise.all(work);
    simulation.disk.crash();
    for await (const entry of storeOf(simulation.process('a')).list('')) {
      simulation.trace(`${entry.path} ${entry.sizeBytes} ${entry.modifiedMs}`);
    }
  });
  return simulation;
}

async function busy(world: SimulatedWorld): Promise<void> {
  const { clock, random } = world;
  const store = storeOf(world);
  for (let i = 0; i < 20; i += 1) {
    await Promise.race([sleep(clock, random.next()), nextTurn(clock), sleep(clock, 0)]);
    const path = `blob-${randomInt(random, 3)}`;
    const bytes = new Uint8Array(randomInt(random, 5000));
    const found = await store.read(path);
    await store.replaceIf(path, bytes, found?.etag).catch(() => 'failed');
    if (random.next() < 0.2) await store.delete([path]);
  }
}

function storeOf(world: SimulatedWorld): FileBlobStore {
  return new FileBlobStore(world.fs, '/store', world.random);
}
