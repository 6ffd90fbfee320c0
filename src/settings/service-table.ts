/** Settings of the JobManager that runs as a service. */
import { setting } from './setting.ts';
import { durationMs, location, oneOf, wholeNumber, word } from './setting-types.ts';

export const SERVICE_TABLE = {
  highAvailabilityType: setting({
    env: 'FLINK_HA_TYPE',
    key: 'high-availability.type',
    oldKeys: ['high-availability', 'recovery.mode'],
    type: oneOf(['NONE', 'LEASE']),
    default: 'NONE',
    doc: 'LEASE: when another JobManager leads on high-availability.storageDir, the service stands by and takes over when that one is gone. NONE: it is refused then. Either way one leads at a time. Flink has ZOOKEEPER and KUBERNETES instead of LEASE.',
  }),
  highAvailabilityStorage: setting<string | undefined>({
    env: 'FLINK_HA_STORAGE_DIR',
    key: 'high-availability.storageDir',
    oldKeys: ['high-availability.zookeeper.storageDir', 'recovery.zookeeper.storageDir'],
    type: location(),
    default: undefined,
    doc: 'Where the service writes down which jobs it runs, with their code, so that they come back after a restart. Default: in its data folder. A place that outlives the machine lets another machine bring them back.',
  }),
  highAvailabilityClusterId: setting({
    env: 'FLINK_HA_CLUSTER_ID',
    key: 'high-availability.cluster-id',
    oldKeys: ['high-availability.zookeeper.path.namespace', 'recovery.zookeeper.path.namespace'],
    type: word('a name of letters, digits, . _ -', /^\/?[\w-][\w.-]{0,99}$/),
    default: '/default',
    doc: 'Which cluster the JobManagers of one high-availability.storageDir belong to: a folder in it. Each cluster has a leader and jobs of its own.',
  }),
  leaseDurationMs: setting({
    env: 'TIDEMARK_LEASE_DURATION_MS',
    key: 'tidemark.high-availability.lease-duration',
    type: durationMs({ least: 100 }),
    default: 5_000,
    doc: 'A standby takes over when it has seen no renewal for so long; at once if the leader was a process of the same machine and is gone. Short: a pause of the leader counts as its end. Long: another machine waits as long.',
  }),
  leaseRenewDeadlineMs: setting({
    env: 'TIDEMARK_LEASE_RENEW_DEADLINE_MS',
    key: 'tidemark.high-availability.renew-deadline',
    type: durationMs({ least: 50 }),
    default: 3_000,
    doc: 'A leader with high-availability.type LEASE that could not renew for so long ends itself, before a standby may take over. Must be below the lease-duration: what lies between is for clocks that run differently.',
  }),
  leaseRenewIntervalMs: setting({
    env: 'TIDEMARK_LEASE_RENEW_INTERVAL_MS',
    key: 'tidemark.high-availability.renew-interval',
    type: durationMs({ least: 10 }),
    default: 500,
    doc: 'How often the leader renews and a standby looks, at most half of the renew-deadline. Each is one request to the storage, which an object store may charge for.',
  }),
  warmJobs: setting({
    env: 'TIDEMARK_WARM_JOBS',
    key: 'tidemark.high-availability.warm-jobs',
    type: wholeNumber({ least: 0, most: 1000 }),
    default: 4,
    doc: 'For how many jobs a standby has a process with the code loaded, so that they go on sooner when it takes over; the ones that were submitted first. Each costs the memory of a TaskManager without state, 60 MB and more.',
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
