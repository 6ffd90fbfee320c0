import { describe, expect, it } from 'vitest';
import { parseProperties, readProperties } from './kafka-properties.ts';

describe('a file of Kafka properties', () => {
  it('is read as Java reads it', () => {
    const text = [
      '# a comment',
      '  ! another one',
      '',
      'security.protocol=SASL_SSL',
      ' sasl.mechanism : PLAIN',
      'client.id  me',
      'sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\',
      '    username="a=b" \\',
      '    password="p\\\\w\\u00e9";',
      'empty=',
      'key\\ with\\=signs=1\\t2',
    ].join('\r\n');
    expect(parseProperties(text)).toEqual({
      'security.protocol': 'SASL_SSL',
      'sasl.mechanism': 'PLAIN',
      'client.id': 'me',
      'sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="a=b" password="p\\wé";',
      empty: '',
      'key with=signs': '1\t2',
    });
  });

  it('is none if nobody names it, and is refused if it is not there', async () => {
    expect(await readProperties(undefined)).toEqual({});
    await expect(readProperties('/no/such/file')).rejects.toThrow('CLI-051');
  });
});
