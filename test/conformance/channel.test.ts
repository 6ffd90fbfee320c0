import { LocalChannel } from '../../src/runtime/local-channel.ts';
import { channelConformance } from './channel.ts';

channelConformance('LocalChannel', async () => {
  const { writer, reader } = new LocalChannel();
  return { writer, reader, settle: async () => undefined };
});

channelConformance('LocalChannel with one batch', async () => {
  const { writer, reader } = new LocalChannel({ batchesMax: 1 });
  return { writer, reader, settle: async () => undefined };
});
