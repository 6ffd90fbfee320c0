/**
 * Where the JobManagers of a cluster meet: a folder of `high-availability.storageDir`. Each writes it
 * into its data folder, so that commands find the one that leads though it runs on another data folder.
 */
import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../common/clock.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom } from '../common/random.ts';
import { openStore } from '../cluster/open-store.ts';
import { readLease, type LeaseHolder } from '../cluster/leadership/lease.ts';
import { readStandbys } from '../cluster/leadership/standbys.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { settings } from '../settings/process-settings.ts';
import { isCertainlyGone } from './process-identity.ts';

/** A URL, or an absolute path. */
export function clusterUrl(
  { highAvailabilityStorage, highAvailabilityClusterId }: FlinkSettings,
  folder: string,
): string {
  const storage = highAvailabilityStorage ?? path.join(folder, 'ha');
  return `${storage.replace(/\/+$/, '')}/${highAvailabilityClusterId.replace(/^\//, '')}`;
}

const FILE = 'cluster.json';

export function rememberCluster(folder: string, url: string): void {
  const draft = path.join(folder, `${FILE}.${process.pid}.new`);
  fs.writeFileSync(draft, JSON.stringify({ url }), { mode: 0o600 });
  fs.renameSync(draft, path.join(folder, FILE));
}

/** Undefined if no service ever ran on this data folder. */
function rememberedCluster(folder: string): string | undefined {
  try {
    const { url } = JSON.parse(fs.readFileSync(path.join(folder, FILE), 'utf8')) as {
      readonly url?: string;
    };
    return url;
  } catch {
    return undefined;
  }
}

export interface ClusterMembers {
  /** Undefined if none leads: it has ended, or died here. */
  readonly leader: (LeaseHolder & { readonly epoch: number }) | undefined;
  readonly standbys: readonly LeaseHolder[];
}

/**
 * Who leads the cluster of this data folder, and who stands by.
 *
 * @throws {EngineError} `STO-…`, `JOB-001` if its storage cannot be read; `SET-…` if this process's settings cannot.
 */
export async function clusterMembers(folder: string): Promise<ClusterMembers | undefined> {
  const url = rememberedCluster(folder);
  if (url === undefined) return undefined;
  const world = { clock: systemClock, fs: nodeFileSystem, random: systemRandom };
  const store = openStore(url, world, settings.flink);
  const lease = (await readLease(store))?.lease;
  const standbys = await readStandbys(store);
  const isLed = lease?.state === 'held' && !isCertainlyGone(lease.holder);
  return {
    leader: isLed ? { ...lease.holder, epoch: lease.epoch } : undefined,
    standbys: standbys.filter((one) => !isCertainlyGone(one)),
  };
}
