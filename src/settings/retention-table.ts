/** What `tidemark savepoints prune` keeps. */
import { setting } from './setting.ts';
import { durationMs, wholeNumber } from './setting-types.ts';

const DAY_MS = 86_400_000;

export const RETENTION_TABLE = {
  retentionSavepointsKept: setting({
    env: 'TIDEMARK_RETENTION_SAVEPOINTS',
    key: 'tidemark.retention.savepoints',
    type: wholeNumber({ least: 1 }),
    default: 3,
    doc: 'How many of the newest savepoints of each job, by its name, are kept whatever their age.',
  }),
  retentionPreDeployMs: setting({
    env: 'TIDEMARK_RETENTION_PRE_DEPLOY_MS',
    key: 'tidemark.retention.pre-deploy',
    type: durationMs({ least: 0 }),
    default: 30 * DAY_MS,
    doc: 'How long savepoints with the label pre-deploy are kept; those of upgrades have it.',
  }),
  retentionMonthlyMs: setting({
    env: 'TIDEMARK_RETENTION_MONTHLY_MS',
    key: 'tidemark.retention.monthly',
    type: durationMs({ least: 0 }),
    default: 365 * DAY_MS,
    doc: 'How long the newest savepoint of each calendar month (UTC) of a job is kept, and those with the label monthly.',
  }),
  retentionCheckpointsKept: setting({
    env: 'TIDEMARK_RETENTION_CHECKPOINTS',
    key: 'tidemark.retention.checkpoints',
    type: wholeNumber({ least: 0 }),
    default: 10,
    doc: 'How many of the newest checkpoints of a job that is over are kept, as long as they are young enough.',
  }),
  retentionCheckpointAgeMs: setting({
    env: 'TIDEMARK_RETENTION_CHECKPOINT_AGE_MS',
    key: 'tidemark.retention.checkpoint-age',
    type: durationMs({ least: 0 }),
    default: 7 * DAY_MS,
    doc: 'How long checkpoints of a job that is over are kept. The latest of the last job of a name stays.',
  }),
} as const;
