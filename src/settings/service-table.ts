/** Settings of the JobManager that runs as a service. */
import { setting } from './setting.ts';
import { location, wholeNumber } from './setting-types.ts';

export const SERVICE_TABLE = {
  highAvailabilityStorage: setting<string | undefined>({
    env: 'FLINK_HA_STORAGE_DIR',
    key: 'high-availability.storageDir',
    oldKeys: ['high-availability.zookeeper.storageDir', 'recovery.zookeeper.storageDir'],
    type: location(),
    default: undefined,
    doc: 'Where the service writes down which jobs it runs, with their code, so that they come back after a restart. Default: in its data folder. A place that outlives the machine lets another machine bring them back.',
  }),
  jobStoreCapacity: setting({
    env: 'FLINK_JOBSTORE_MAX_CAPACITY',
    key: 'jobstore.max-capacity',
    type: wholeNumber({ least: 0, most: 10_000 }),
    default: 100,
    flinkDefault: '2147483647',
    doc: 'Jobs that have ended and are still shown, at most; the oldest go first. Each takes a little memory of the service.',
  }),
  jobStoreExpirationSeconds: setting({
    env: 'FLINK_JOBSTORE_EXPIRATION_SECONDS',
    key: 'jobstore.expiration-time',
    type: wholeNumber({ least: 1 }),
    default: 3600,
    doc: 'For how many seconds a job that has ended is still shown.',
  }),
} as const;
