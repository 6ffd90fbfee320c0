import { defaultSettings } from '../../src/settings/parse-settings.ts';
import { s3SettingsOf, type S3Settings } from '../../src/storage/s3/s3-settings.ts';

/** How a store reaches a server of scripts/services/s3.ts, or what stands in front of it. */
export function s3SettingsFor(endpoint: string, changed: Partial<S3Settings> = {}): S3Settings {
  return {
    ...s3SettingsOf(defaultSettings()),
    s3Endpoint: endpoint,
    s3AccessKey: 'test',
    s3SecretKey: 'testtest123',
    s3PathStyleAccess: true,
    ...changed,
  };
}
