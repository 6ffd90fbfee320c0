import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { WatermarkValve } from './watermark-valve.ts';

describe('WatermarkValve', () => {
  it('waits for the slowest channel', () => {
    const valve = new WatermarkValve(2);
    expect(valve.watermark(0, 10)).toBeUndefined();
    expect(valve.watermark(1, 5)).toBe(5);
    expect(valve.watermark(1, 20)).toBe(10);
    expect(valve.watermark(0, 8)).toBeUndefined();
    expect(valve.currentMs()).toBe(10);
  });

  it('does not wait for an idle channel', () => {
    const valve = new WatermarkValve(2);
    valve.watermark(0, 10);
    expect(valve.status(1, true)).toBe(10);
    expect(valve.isIdle()).toBe(false);
    expect(valve.watermark(0, 12)).toBe(12);
  });

  it('takes the greatest watermark when the last channel becomes idle', () => {
    const valve = new WatermarkValve(2);
    valve.watermark(0, 10);
    valve.watermark(1, 4);
    expect(valve.status(0, true)).toBeUndefined();
    expect(valve.status(1, true)).toBe(10);
    expect(valve.isIdle()).toBe(true);
  });

  it('lets a channel that comes back catch up before it counts', () => {
    const valve = new WatermarkValve(2);
    valve.status(1, true);
    expect(valve.watermark(0, 100)).toBe(100);
    valve.status(1, false);
    expect(valve.isIdle()).toBe(false);
    // Channel 1 is far behind: it neither takes event time back nor holds channel 0 up.
    expect(valve.watermark(1, 50)).toBeUndefined();
    expect(valve.watermark(0, 110)).toBe(110);
    expect(valve.watermark(1, 110)).toBeUndefined();
    // From here on it counts.
    expect(valve.watermark(0, 120)).toBeUndefined();
    expect(valve.watermark(1, 115)).toBe(115);
  });

  it('gives nothing below a restored watermark', () => {
    const valve = new WatermarkValve(1, 50);
    expect(valve.currentMs()).toBe(50);
    expect(valve.watermark(0, 50)).toBeUndefined();
    expect(valve.watermark(0, 51)).toBe(51);
  });

  it('never goes back, and never beyond the slowest active channel', () => {
    const event = fc.record({
      channel: fc.nat(2),
      what: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.boolean()),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const valve = new WatermarkValve(3);
        const watermarks = [-Infinity, -Infinity, -Infinity];
        const idle = [false, false, false];
        let last = -Infinity;
        for (const { channel, what } of events) {
          if (typeof what === 'number') {
            watermarks[channel] = Math.max(watermarks[channel] ?? 0, what);
          } else idle[channel] = what;
          const out =
            typeof what === 'number' ? valve.watermark(channel, what) : valve.status(channel, what);
          if (out === undefined) continue;
          expect(out).toBeGreaterThan(last);
          last = out;
          // No channel that is active, and not behind what was said before, is overtaken.
          const active = watermarks.filter((_, i) => idle[i] === false);
          const ahead = active.filter((each) => each >= out);
          expect(active.length === 0 || ahead.length > 0).toBe(true);
          expect(out).toBeLessThanOrEqual(Math.max(...watermarks));
        }
        expect(valve.isIdle()).toBe(idle.every(Boolean));
      }),
    );
  });
});
