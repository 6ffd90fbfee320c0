import type { SnapshotMetadata } from '../../src/checkpoint/metadata.ts';

const blob = { sizeBytes: 30000, crc32: 0xdeadbeef } as const;
const inline = { kind: 'inline', base64: 'AQID', sizeBytes: 3, crc32: 1438416925 } as const;

/** One with everything in it. */
export const FULL_METADATA: SnapshotMetadata = {
  jobId: '02423caa95fb3189599b51c06bdcc777',
  jobName: 'wörter "zählen"',
  lineage: '7f3a',
  epoch: 3,
  planHash: '9d2c',
  maxParallelism: 128,
  label: 'pre-deploy',
  who: 'ann',
  why: 'release 7',
  pin: true,
  checkpointId: 7,
  kind: 'checkpoint',
  attempt: 1,
  triggerMs: 1_795_250_857_012,
  completedMs: 1_795_250_857_161,
  parallelism: { words: 1, count: 2, files: 2 },
  operators: [
    {
      uid: 'words',
      subtask: 0,
      parallelism: 1,
      keyed: [],
      operator: inline,
      schemas: [{ name: 'splits', kind: 'operator-list', value: { kind: 'bytes' } }],
      watermarkMs: Infinity,
      finished: true,
      committables: [],
    },
    {
      uid: 'count',
      subtask: 0,
      parallelism: 2,
      keyed: [
        {
          blob: { kind: 'blob', path: 'job/shared/count-0-run-c6-e1-a0-1', ...blob },
          keyGroups: { start: 0, end: 63 },
          checkpointId: 6,
          rows: 1000,
        },
        {
          blob: { kind: 'blob', path: 'job/chk-7/run', ...blob },
          keyGroups: { start: 0, end: 63 },
          checkpointId: 7,
          rows: 10,
        },
      ],
      operator: undefined,
      schemas: [
        { name: 'total', kind: 'value', value: { kind: 'float64' }, ttlMs: 3_600_000 },
        { name: 'seen', kind: 'map', key: { kind: 'string' }, value: { kind: 'boolean' } },
      ],
      watermarkMs: 1_795_250_850_000,
      finished: false,
      committables: [],
    },
    {
      uid: 'count',
      subtask: 1,
      parallelism: 2,
      keyed: [],
      operator: undefined,
      schemas: [],
      watermarkMs: undefined,
      finished: false,
      committables: [],
    },
  ],
  coordinators: { words: 'AAECAw==' },
  committables: [
    {
      uid: 'files',
      subtask: 1,
      checkpointId: 6,
      sequence: 4,
      base64: 'Zm9v',
      attempt: '3-1',
    },
  ],
  finishedOperators: ['words'],
  writtenBytes: 30003,
  stateBytes: 60003,
};

/** A savepoint holds all its files itself. */
export const FULL_SAVEPOINT: SnapshotMetadata = {
  ...FULL_METADATA,
  kind: 'savepoint',
  stop: 'drain',
  operators: FULL_METADATA.operators.map((operator) => ({
    ...operator,
    keyed: operator.keyed.slice(1),
  })),
};
