import { EngineError } from '../common/errors.ts';
import {
  FLINK_SETTINGS,
  type FlinkSettings,
  type SettingName,
} from '../settings/flink-settings.ts';

/** Values that are known and right, of parts that this release does not have. */
export const UNBUILT: readonly {
  readonly name: SettingName;
  readonly value: unknown;
  readonly instead: string;
}[] = [
  { name: 'stateBackend', value: 'rocksdb', instead: 'hashmap' },
  { name: 'unalignedCheckpoints', value: true, instead: 'false' },
];

/**
 * Refuses a job whose settings ask for what is not there: it must not run in another way than its
 * user thinks.
 *
 * @throws {EngineError} `JOB-011` (`invalid`)
 */
export function requireBuilt(config: FlinkSettings): void {
  const asked = UNBUILT.filter(({ name, value }) => config[name] === value);
  if (asked.length === 0) return;
  const changes = asked.map(({ name, instead }) => `${FLINK_SETTINGS[name].key} to ${instead}`);
  throw new EngineError('JOB-011', 'invalid', 'a setting asks for a part that is not built yet', {
    details: Object.fromEntries(
      asked.map(({ name, value }) => [FLINK_SETTINGS[name].key, String(value)]),
    ),
    hint: `Set ${changes.join(', and ')} for now; LIMITATIONS.md says what is there.`,
  });
}
