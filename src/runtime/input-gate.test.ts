import { describe, expect, it } from 'vitest';
import type { Random } from '../common/random.ts';
import { InputGate } from './input-gate.ts';
import { LocalChannel } from './local-channel.ts';

function gateOf(count: number, random?: Random) {
  const channels = Array.from({ length: count }, () => new LocalChannel());
  const gate = new InputGate({
    channels: channels.map(({ reader }, i) => ({ input: 0, reader, name: `${i}` })),
    random,
  });
  const write = (channel: number, value: unknown) => {
    channels[channel]?.writer.append(value, 0, 0);
    channels[channel]?.writer.flush();
  };
  return { gate, channels, write };
}

describe('InputGate', () => {
  it('has nothing when no channel has', () => {
    const { gate } = gateOf(3);
    expect(gate.next()).toBe(-1);
    expect(gateOf(0).gate.next()).toBe(-1);
  });

  it('takes the channels in turn', () => {
    const { gate, write } = gateOf(3);
    for (const channel of [0, 0, 1, 1, 2, 2]) write(channel, channel);
    const order = Array.from({ length: 6 }, () => {
      const channel = gate.next();
      gate.release(channel);
      return channel;
    });
    expect(order).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('draws the order where chance is given', () => {
    const drawn = [0.9, 0, 0.5];
    const random: Random = { next: () => drawn.shift() ?? 0, fork: () => random };
    const { gate, write } = gateOf(3, random);
    for (const channel of [0, 1, 2]) write(channel, channel);
    const order = Array.from({ length: 3 }, () => {
      const channel = gate.next();
      gate.release(channel);
      return channel;
    });
    expect([...order].sort()).toEqual([0, 1, 2]);
  });

  it('does not read a blocked channel', () => {
    const { gate, write } = gateOf(2);
    write(0, 'a');
    gate.block(0);
    expect(gate.next()).toBe(-1);
    write(1, 'b');
    expect(gate.next()).toBe(1);
    gate.unblockAll();
    gate.release(1);
    expect(gate.next()).toBe(0);
  });

  it('has ended when each channel has', () => {
    const { gate } = gateOf(2);
    expect(gate.end(0)).toBe(false);
    expect(gate.end(0)).toBe(false);
    expect(gate.end(1)).toBe(true);
  });

  it('finds a channel whose writer is gone', () => {
    const { gate, channels } = gateOf(2);
    channels[1]?.writer.close();
    expect(gate.broken()).toBe(1);
  });
});
