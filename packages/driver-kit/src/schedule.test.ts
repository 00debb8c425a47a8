import { describe, expect, it } from 'vitest';
import { isCron, isExpiry, isSchedule, scheduleAliases } from './schedule.ts';

describe('schedules', () => {
  it.each(['* * * * *', '*/5 0-3 1,2 JAN MON', '0 0 1 1 6', '59 23 31 12 0', '10-20/2 * * * sun-sat'])(
    '[03.172 03.175] %j is a cron expression',
    (text) => {
      expect(isCron(text)).toBe(true);
    },
  );

  it.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '0 0 1 1 7',
    '*/0 * * * *',
    '5-1 * * * *',
    '0 0 L * *',
    'a * * * *',
    '1/2/3 * * * *',
  ])('[03.172] %j is none', (text) => {
    expect(isCron(text)).toBe(false);
  });

  it('[03.173 03.174] aliases stand for schedules, joined by commas', () => {
    const check = isSchedule(scheduleAliases);
    for (const value of ['@daily', '@hourly,@daily', '@daily, @hourly', '@never', '0 6 * * *'])
      expect(check(value)).toBeUndefined();
    for (const value of ['@startup', '@reboot', '@every 1h', '@daily,* * * * *', 'foo']) {
      expect(() => check(value)).toThrow(/^must be a cron expression of five fields/);
    }
  });

  it('[03.181] expiry expressions', () => {
    for (const value of ['1M 2H 3d 4w 5m 6y', '10d', '2H 1M']) expect(isExpiry(value)).toBeUndefined();
    for (const value of ['1M 1M', 'M', '1x', '1H2M', '1.5H', '-1H', '1H  2M'])
      expect(() => isExpiry(value)).toThrow(/^must be numbers/);
  });
});
