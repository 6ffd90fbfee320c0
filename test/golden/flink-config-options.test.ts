/*
 * Goal: keys, defaults and deprecated names of the table of settings are Flink's, except where the table
 * says that they differ; and no key of Flink is taken for a slip of another.
 * Method: flink-config-options.tsv lists every ConfigOption of Flink 2.2: key, type, default, older names
 * ("deprecated" ones warn in Flink too, "fallback" ones do not), and the field it stands in. It was
 * made by reflection over the jars of the binary distribution and of its S3 file system plugin.
 * Replay: npm run test:golden -- flink-config-options
 */
import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  FLINK_SETTINGS,
  SETTING_NAMES,
  type Setting,
  type SettingName,
} from '../../src/settings/flink-settings.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';

interface FlinkOption {
  readonly type: string;
  readonly default: string;
  readonly deprecated: readonly string[];
  readonly fallback: readonly string[];
}

const OPTIONS: ReadonlyMap<string, FlinkOption> = new Map(
  fs
    .readFileSync(new URL('flink-config-options.tsv', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line): [string, FlinkOption] => {
      const [key = '', type = '', value = '', names = ''] = line.split('\t');
      const named = (kind: string) =>
        names.split(',').flatMap((name) => {
          const [label, old = ''] = name.trim().split(':');
          return label === kind ? [old.trim()] : [];
        });
      return [
        key,
        { type, default: value, deprecated: named('deprecated'), fallback: named('fallback') },
      ];
    }),
);

/** Settings whose key Flink does not have, each with why. */
const NOT_OF_FLINK: Partial<Record<SettingName, string>> = {
  restartFirstAttemptImmediate: 'of Tidemark: in Flink the first restart waits too',
  taskStuckTimeoutMs: 'of Tidemark',
  warmJobs: 'of Tidemark',
  leaseDurationMs: 'of Tidemark; Flink has one for Kubernetes',
  leaseRenewDeadlineMs: 'of Tidemark; Flink has one for Kubernetes',
  leaseRenewIntervalMs: 'of Tidemark; Flink has one for Kubernetes',
  preset: 'of Tidemark',
  webHdfsAddresses: 'of Tidemark',
  restToken: 'of Tidemark',
  restTlsCertificate: 'of Tidemark; Flink has Java keystores only',
  restTlsKey: 'of Tidemark; Flink has Java keystores only',
  hdfsDefaultFs: "of Hadoop; Flink's fs.default-scheme is another name",
  s3SessionToken: "of Hadoop's S3A, which takes all of s3.*",
  s3Region: "of Hadoop's S3A",
  s3PathStyleAccess: "of Hadoop's S3A",
  s3SslEnabled: "of Hadoop's S3A",
  s3CredentialsProvider: "of Hadoop's S3A",
  s3ConnectTimeoutMs: "of Hadoop's S3A",
  s3RequestTimeoutMs: "of Hadoop's S3A",
  s3ConnectionsMax: "of Hadoop's S3A",
  s3CaFile: 'of Tidemark; Java has trust stores of its own',
  fileAnswerTimeoutMs: 'of Tidemark',
  s3RetryTimeoutMs: 'of Tidemark: Hadoop counts tries',
  retentionSavepointsKept: 'of Tidemark: Flink removes no savepoints',
  retentionPreDeployMs: 'of Tidemark: Flink removes no savepoints',
  retentionMonthlyMs: 'of Tidemark: Flink removes no savepoints',
  retentionCheckpointsKept: 'of Tidemark: Flink removes no checkpoints of jobs that are over',
  retentionCheckpointAgeMs: 'of Tidemark: Flink removes no checkpoints of jobs that are over',
};

/** Defaults of Flink that no text can say; the table has words for them. */
const NO_VALUE: readonly (string | undefined)[] = ['null', '-1'];

const rowOf = (name: SettingName) => FLINK_SETTINGS[name] as Setting<unknown>;
const flinks = SETTING_NAMES.filter((name) => NOT_OF_FLINK[name] === undefined);

it('the list is whole', () => {
  expect(OPTIONS.size).toBeGreaterThan(990);
  expect(flinks.length).toBeGreaterThan(35);
});

describe.each(flinks)('%s', (name) => {
  const { key, otherKeys = [], oldKeys = [], default: value, flinkDefault, type } = rowOf(name);
  const option = OPTIONS.get(key);

  it("has Flink's key and older names", () => {
    expect(option, key).toBeDefined();
    expect([...oldKeys].sort()).toEqual([...(option?.deprecated ?? [])].sort());
    for (const other of option?.fallback ?? []) expect(otherKeys).toContain(other);
  });

  it("has Flink's default, or says what Flink has", () => {
    const flinks = valueOf(option, type);
    if (flinkDefault === undefined) expect(flinks).toBe(value);
    else {
      expect(name === 'parallelism' ? 'the cores' : value).not.toBe(flinks);
      expect(NO_VALUE.includes(option?.default) ? undefined : type.parse(flinkDefault)).toBe(
        flinks,
      );
    }
  });
});

it.each(Object.keys(NOT_OF_FLINK) as SettingName[])('%s is really not of Flink', (name) => {
  expect(OPTIONS.has(rowOf(name).key)).toBe(false);
});

it('every key of a Flink cluster is known as such: none is called a slip', () => {
  // Options of tables, connectors and formats stand in SQL, not in a configuration file.
  const clusters = [...OPTIONS].filter(([key, { type }]) => isOfACluster(key) && type !== '');
  expect(clusters.length).toBeGreaterThan(850);
  const entries = clusters
    .flatMap(([key, { deprecated, fallback }]) => [key, ...deprecated, ...fallback])
    .filter((key) => isOfACluster(key))
    .map((key): [string, string] => [key, '']);
  const configFile = { file: 'config.yaml', isGuess: false, warnings: [], entries };
  const { warnings } = parseSettings({ env: {}, configFile, cores: 1 });
  expect(warnings.filter((warning) => warning.includes('not known'))).toEqual([]);
});

function isOfACluster(key: string): boolean {
  const [first = ''] = key.split('.');
  const others =
    /^(lookup|sink|source|filter|fields|scan|partition|capacity|default-database|materialized-table|cleanup-strategy|retry.*|.*-limit|async|scope|fixed-delay|savepoints|internal|flink|statebackend|timerservice|<.*|external-resources|interval|factory)$/;
  return key.includes('.') && !others.test(first);
}

/** A default of the list as the setting's type reads it; the list has durations as Java prints them. */
function valueOf(option: FlinkOption | undefined, type: Setting<unknown>['type']): unknown {
  if (option === undefined || NO_VALUE.includes(option.default)) return undefined;
  if (option.type !== 'Duration') return type.parse(option.default);
  const [, hours = '0', minutes = '0', seconds = '0'] =
    /^PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(option.default) ?? [];
  return Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000;
}
