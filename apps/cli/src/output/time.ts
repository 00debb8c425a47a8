const pad = (value: number): string => String(value).padStart(2, '0');

/** The local time zone's short name at a moment, as Go prints it, e.g. `UTC` or `CET`. */
const zone = (date: Date): string => {
  if (date.getTimezoneOffset() === 0 && (process.env.TZ === undefined || process.env.TZ === 'UTC')) return 'UTC';
  const parts = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' }).formatToParts(date);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
  if (!name.startsWith('GMT') || name === 'GMT') return name;
  const minutes = -date.getTimezoneOffset();
  const hours = Math.trunc(Math.abs(minutes) / 60);
  return `${minutes < 0 ? '-' : '+'}${pad(hours)}${minutes % 60 === 0 ? '' : pad(Math.abs(minutes) % 60)}`;
};

/** Whether the server has a time here at all: not Go's zero time, not the epoch. */
export const isSet = (time: string | undefined | null): time is string =>
  time !== undefined && time !== null && time !== '' && Date.parse(time) > 0;

/** A time in the local zone to the minute, e.g. `2026/11/22 00:05 UTC`. */
export const minute = (time: string): string => {
  const date = new Date(time);
  const day = `${date.getFullYear()}/${pad(date.getMonth() + 1)}/${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())} ${zone(date)}`;
};

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time in UTC in words, e.g. `Nov 22, 2026 at 12:05am (UTC)`. */
export const inWords = (time: string | Date): string => {
  const date = new Date(time);
  const hour = date.getUTCHours();
  const clock = `${hour % 12 || 12}:${pad(date.getUTCMinutes())}${hour < 12 ? 'am' : 'pm'}`;
  return `${months[date.getUTCMonth()]} ${date.getUTCDate()}, ${date.getUTCFullYear()} at ${clock} (UTC)`;
};
