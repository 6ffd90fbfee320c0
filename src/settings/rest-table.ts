/** Settings of the service's HTTP interface. Names are Flink's where it has them. */
import { setting } from './setting.ts';
import { portRange, text, wholeNumber, word, yesOrNo } from './setting-types.ts';

const HOST = /^[\w.:-]+$/;

export const REST_TABLE = {
  restAddress: setting({
    env: 'FLINK_REST_ADDRESS',
    key: 'rest.address',
    otherKeys: ['jobmanager.rpc.address'],
    type: word('a host name or an address', HOST),
    default: '127.0.0.1',
    flinkDefault: 'none',
    doc: 'The name under which clients reach the service; it stands in addresses that the service gives.',
  }),
  restBindAddress: setting({
    env: 'FLINK_REST_BIND_ADDRESS',
    key: 'rest.bind-address',
    otherKeys: ['web.address'],
    oldKeys: ['jobmanager.web.address'],
    type: word('a host name or an address such as 0.0.0.0', HOST),
    default: '127.0.0.1',
    flinkDefault: 'none',
    doc: 'Where the service listens. Anything but this machine itself needs tidemark.rest.token. Flink listens everywhere.',
  }),
  restPort: setting({
    env: 'FLINK_REST_PORT',
    key: 'rest.bind-port',
    otherKeys: ['rest.port'],
    oldKeys: ['web.port', 'jobmanager.web.port'],
    type: portRange(),
    default: '8081',
    doc: 'The port, or ports of which the first free one is taken: 50100-50200, or 8081,8091. 0 is any.',
  }),
  restMaxContentBytes: setting({
    env: 'FLINK_REST_MAX_CONTENT_LENGTH',
    key: 'rest.server.max-content-length',
    type: wholeNumber({ least: 1024 }),
    default: 104_857_600,
    doc: 'The largest bundle that can be uploaded, in bytes.',
  }),
  restToken: setting<string | undefined>({
    env: 'TIDEMARK_REST_TOKEN',
    key: 'tidemark.rest.token',
    type: text('at least 16 characters without a space', /^[!-~]{16,}$/),
    default: undefined,
    doc: 'What every request must send as Authorization: Bearer <token>. Default: none, for this machine only.',
    secret: true,
  }),
  restTlsCertificate: setting<string | undefined>({
    env: 'TIDEMARK_REST_TLS_CERTIFICATE',
    key: 'tidemark.rest.tls-certificate',
    type: text('a path'),
    default: undefined,
    doc: 'PEM file with the certificate, and those that lead to its root: the service then speaks HTTPS.',
  }),
  restTlsKey: setting<string | undefined>({
    env: 'TIDEMARK_REST_TLS_KEY',
    key: 'tidemark.rest.tls-key',
    type: text('a path'),
    default: undefined,
    doc: 'PEM file with the key of the certificate.',
  }),
  restSslEnabled: setting({
    env: 'FLINK_REST_SSL_ENABLED',
    key: 'security.ssl.rest.enabled',
    type: yesOrNo(),
    default: false,
    doc: 'HTTPS, with the keystore or the PEM files.',
  }),
  restSslKeystore: setting<string | undefined>({
    env: 'FLINK_REST_SSL_KEYSTORE',
    key: 'security.ssl.rest.keystore',
    type: text('a path'),
    default: undefined,
    doc: 'PKCS#12 file with certificate and key.',
  }),
  restSslKeystorePassword: setting<string | undefined>({
    env: 'FLINK_REST_SSL_KEYSTORE_PASSWORD',
    key: 'security.ssl.rest.keystore-password',
    type: text('a password'),
    default: undefined,
    doc: 'Opens the keystore.',
    secret: true,
  }),
  webSubmitEnabled: setting({
    env: 'FLINK_WEB_SUBMIT_ENABLE',
    key: 'web.submit.enable',
    oldKeys: ['jobmanager.web.submit.enable'],
    type: yesOrNo(),
    default: false,
    flinkDefault: 'true',
    doc: 'Whether bundles of jobs can be uploaded and run. Whoever may ask the service can then run code on this machine.',
  }),
} as const;
