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
  for (const { name, value, instead } of UNBUILT) {
    if (config[name] !== value) continue;
    const { key } = FLINK_SETTINGS[name];
    throw new EngineError('JOB-011', 'invalid', 'a setting asks for a part that is not built yet', {
      details: { [key]: String(value) },
      hint: `Set ${key} to ${instead} for now; LIMITATIONS.md says what is there.`,
    });
  }
}
