import type { Connection } from '../common/transport.ts';
import type { ChannelReader, ChannelWriter } from './channel.ts';
import type { SlotLink } from './slot-link.ts';

export class SocketLink implements SlotLink {
  constructor(_c: Connection) {}
  writer(): ChannelWriter { throw new TypeError('later'); }
  reader(): ChannelReader { throw new TypeError('later'); }
  remove(): void {}
  close(): void {}
}
