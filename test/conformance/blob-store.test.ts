import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';
import { MemoryBlobStore } from '../../src/storage/memory-blob-store.ts';
import { Simulation } from '../../src/testing/index.ts';
import { blobStoreConformance } from './blob-store.ts';

blobStoreConformance('memory', {
  tellsCreated: true,
  run: async (test) => {
    const store = new MemoryBlobStore(systemClock);
    await test({ open: () => store });
  },
});

blobStoreConformance('files on the real disk', {
  tellsCreated: true,
  run: async (test) => {
    const root = await fs.mkdtemp(path.join(os.tmpdir(), 'tidemark-blobs-'));
    try {
      await test({ open: () => new FileBlobStore(nodeFileSystem, `${root}/store`, systemRandom) });
    } finally {
      await fs.rm(root, { recursive: true });
    }
  },
});

for (const seed of [1, 2, 3]) {
  blobStoreConformance(`files on the simulated disk, seed ${seed}`, {
    tellsCreated: true,
    run: async (test) => {
      const simulation = new Simulation({ seed });
      const open = (): FileBlobStore => {
        const { fs, random } = simulation.process('client');
        return new FileBlobStore(fs, '/data/store', random);
      };
      await simulation.run(() => test({ open, crash: () => simulation.disk.crash() }));
    },
  });
}
