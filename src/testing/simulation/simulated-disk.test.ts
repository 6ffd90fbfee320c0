/*
 * Goal: the simulated disk loses in a crash what a real one may lose, and nothing else.
 * Method: for many seeds the same writes and a crash; the set of what was found afterwards is
 * compared with all that may be found.
 */
import { describe, expect, it } from 'vitest';
import { sleep } from '../../common/clock.ts';
import type { FileSystem } from '../../common/file-system.ts';
import { Simulation } from './simulation.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

describe('a crash', () => {
  it('keeps what was synced', async () => {
    const found = await outcomes(async (fs) => {
      await fs.makeFolder('/d/e');
      await fs.syncFolder('/');
      await fs.syncFolder('/d');
      await write(fs, '/d/e/a', 'synced', true);
      await fs.syncFolder('/d/e');
    });
    expect(found).toEqual(new Set(['/d/e/a=synced']));
  });

  it('may take, keep or tear bytes that were not synced', async () => {
    const found = await outcomes(async (fs) => {
      await write(fs, '/a', 'old.', true);
      await fs.syncFolder('/');
      const writer = await fs.openWrite('/a', 'append');
      await writer.write(Buffer.from('new'));
    }, 300);
    expect(found).toContain('/a=old.');
    expect(found).toContain('/a=old.new');
    expect(found).toContain('/a=old.n');
    expect(found).toContain('/a=old.\0\0');
    for (const one of found) expect(one).toMatch(/^\/a=old\.(n|\0)?(e|\0)?(w|\0)?$/);
  });

  it('tears long writes by blocks', async () => {
    const found = await outcomes((fs) => write(fs, '/a', 'x'.repeat(2048), false, true), 100);
    const patterns = [...found].map((one) =>
      one
        .slice(3)
        .replaceAll(/x{512}/g, 'X')
        .replaceAll(/\0{512}/g, '-'),
    );
    expect(patterns.some((pattern) => pattern.startsWith('-X') || pattern.startsWith('X-X'))).toBe(
      true,
    );
  });

  it('may take names that were not synced, each by itself', async () => {
    const found = await outcomes(async (fs) => {
      for (const name of ['a', 'b']) await write(fs, `/${name}`, name, true);
    });
    expect(found).toEqual(new Set(['', '/a=a', '/b=b', '/a=a /b=b']));
  });

  it('may bring back a removed name, and undo a rename as a whole', async () => {
    const removed = await outcomes(async (fs) => {
      await write(fs, '/a', 'a', true);
      await fs.syncFolder('/');
      await fs.remove('/a');
    });
    expect(removed).toEqual(new Set(['', '/a=a']));
    const renamed = await outcomes(async (fs) => {
      await write(fs, '/a', 'new', true);
      await write(fs, '/b', 'old', true);
      await fs.syncFolder('/');
      await fs.rename('/a', '/b');
    });
    expect(renamed).toEqual(new Set(['/a=new /b=old', '/b=new']));
  });

  it('keeps the order of changes of one name', async () => {
    const found = await outcomes(async (fs) => {
      await write(fs, '/1', 'x', true);
      await fs.syncFolder('/');
      for (const [from, to] of [
        ['/1', '/2'],
        ['/2', '/3'],
        ['/3', '/4'],
      ] as const) {
        await fs.rename(from, to);
      }
    }, 100);
    expect(found).toEqual(new Set(['/1=x', '/2=x', '/3=x', '/4=x']));
  });

  it('takes a folder whose own name was not synced, with all that is in it', async () => {
    const found = await outcomes(async (fs) => {
      await fs.makeFolder('/d');
      await write(fs, '/d/a', 'a', true);
      await fs.syncFolder('/d');
    });
    expect(found).toEqual(new Set(['', '/d/a=a']));
  });

  it('syncs names and bytes apart', async () => {
    const named = await outcomes(async (fs) => {
      await write(fs, '/a', 'abc', false);
      await fs.syncFolder('/');
    }, 100);
    expect(named).toContain('/a=');
    expect(named).toContain('/a=abc');
    expect(named).not.toContain('');
  });

  it('is not a kill: what was written stays', async () => {
    const simulation = new Simulation({ seed: 1 });
    const process = simulation.process('p');
    await simulation.run(() => write(process.fs, '/a', 'unsynced', false));
    process.kill();
    expect(await content(simulation)).toBe('/a=unsynced');
  });

  it('kills all who use the disk, and leaves other disks alone', async () => {
    const simulation = new Simulation({ seed: 1 });
    const other = simulation.makeDisk('other');
    const [p, q] = [simulation.process('p'), simulation.process('q', other)];
    await simulation.run(() => write(q.fs, '/a', 'kept', false));
    simulation.disk.crash();
    expect([p.alive, q.alive]).toEqual([false, true]);
    expect(await content(simulation, other)).toBe('/a=kept');
  });
});

describe('write points', () => {
  it('are counted, and a process can be killed before or after each', async () => {
    const steps: string[] = [];
    for (const moment of ['before', 'after'] as const) {
      for (let n = 1; n <= 6; n += 1) {
        const simulation = new Simulation({ seed: n });
        const process = simulation.process('p');
        const reached = simulation.disk.crashAt(n, moment);
        void process.start(async ({ fs }) => {
          await fs.makeFolder('/d');
          await write(fs, '/d/a', 'xy', true);
          await fs.link('/d/a', '/d/b');
          await fs.rename('/d/b', '/d/c');
          await fs.remove('/d/a');
        });
        const { operation } = await simulation.run(reached);
        expect(process.alive).toBe(false);
        expect(simulation.disk.writePoints()).toBe(n);
        steps.push(`${moment} ${operation}: ${await content(simulation)}`);
      }
    }
    expect(steps).toEqual([
      'before makeFolder: ',
      'before create: ',
      'before write: /d/a=',
      'before sync: /d/a=xy',
      'before link: /d/a=xy',
      'before rename: /d/a=xy /d/b=xy',
      'after makeFolder: ',
      'after create: /d/a=',
      'after write: /d/a=xy',
      'after sync: /d/a=xy',
      'after link: /d/a=xy /d/b=xy',
      'after rename: /d/a=xy /d/c=xy',
    ]);
  });
});

describe('faults', () => {
  it('fail the operations they are planned for', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { fs } = simulation.process('p');
    simulation.disk.fail({ operations: ['link'], path: '/b', skip: 1, times: 2, errno: 'EIO' });
    await simulation.run(async () => {
      await write(fs, '/a', 'x', false);
      await fs.link('/a', '/b1');
      await expect(fs.link('/a', '/b2')).rejects.toMatchObject({ code: 'EIO' });
      await fs.link('/a', '/c');
      await expect(fs.link('/a', '/b2')).rejects.toMatchObject({ code: 'EIO' });
      await fs.link('/a', '/b2');
    });
  });

  it('can be taken back, be slow only, or do and deny it', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { fs, clock } = simulation.process('p');
    const heal = simulation.disk.fail({ errno: 'EIO', times: Infinity });
    await simulation.run(async () => {
      await expect(fs.stat('/')).rejects.toMatchObject({ code: 'EIO' });
      heal();
      await fs.stat('/');
      simulation.disk.fail({ operations: ['stat'], delayMs: 500 });
      const before = clock.monotonicMs();
      await fs.stat('/');
      expect(clock.monotonicMs() - before).toBeGreaterThan(500);
      simulation.disk.fail({ operations: ['makeFolder'], errno: 'EIO', done: true });
      await expect(fs.makeFolder('/d')).rejects.toMatchObject({ code: 'EIO' });
      expect((await fs.stat('/d'))?.kind).toBe('folder');
    });
  });

  it('end writes with ENOSPC at the capacity, until there is room', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { fs } = simulation.process('p');
    simulation.disk.setCapacityBytes(10);
    await simulation.run(async () => {
      await write(fs, '/a', '123456', false);
      await expect(write(fs, '/b', '123456', false)).rejects.toMatchObject({ code: 'ENOSPC' });
      expect(simulation.disk.usedBytes()).toBe(10);
      await fs.remove('/b');
      await write(fs, '/c', '1234', false);
      await fs.remove('/a');
      await write(fs, '/d', '123456', false);
    });
    expect(await content(simulation)).toBe('/c=1234 /d=123456');
  });

  it('of a sync leave what chance decides, and no later sync makes it good', async () => {
    const found = await outcomes(async (fs, disk) => {
      const writer = await fs.openWrite('/a', 'create');
      await fs.syncFolder('/');
      await writer.write(Buffer.from('ab'));
      disk.fail({ operations: ['sync'], errno: 'EIO' });
      await expect(writer.sync()).rejects.toMatchObject({ code: 'EIO' });
      await writer.sync();
    }, 100);
    // The second sync writes the file's length, not the bytes that the first one forgot.
    expect(found).toContain('/a=\0\0');
    expect(found).toContain('/a=ab');
  });

  it('flip a bit, in memory and on the platter', async () => {
    const simulation = new Simulation({ seed: 1 });
    const { fs } = simulation.process('p');
    await simulation.run(async () => {
      await write(fs, '/a', 'abc', true);
      await fs.syncFolder('/');
    });
    simulation.disk.flip('/a', 9);
    expect(await content(simulation)).toBe('/a=a`c');
    simulation.disk.crash();
    expect(await content(simulation)).toBe('/a=a`c');
  });
});

/** What was found after a crash at the end of `work`, over many seeds. */
async function outcomes(
  work: (fs: FileSystem, disk: SimulatedDisk) => Promise<void>,
  seeds = 50,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (let seed = 0; seed < seeds; seed += 1) {
    const simulation = new Simulation({ seed });
    const process = simulation.process('p');
    await simulation.run(async () => {
      await work(process.fs, simulation.disk);
      await sleep(process.clock, 5);
    });
    simulation.disk.crash();
    found.add(await content(simulation));
  }
  return found;
}

async function content(simulation: Simulation, disk = simulation.disk): Promise<string> {
  const { fs } = simulation.process('reader', disk);
  const parts: string[] = [];
  for (const { path } of disk.files()) {
    const bytes = await simulation.run(() => fs.readFile(path));
    parts.push(`${path}=${Buffer.from(bytes).toString()}`);
  }
  return parts.join(' ');
}

async function write(
  fs: FileSystem,
  path: string,
  text: string,
  sync: boolean,
  syncName = false,
): Promise<void> {
  const writer = await fs.openWrite(path, 'create');
  if (syncName) await fs.syncFolder(path.slice(0, path.lastIndexOf('/')) || '/');
  await writer.write(Buffer.from(text));
  if (sync) await writer.sync();
  await writer.close();
}
