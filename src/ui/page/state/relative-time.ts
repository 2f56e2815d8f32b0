// Times for people: short and relative in the page, exact where the pointer is.

/** As '12 s', '3 min', '5 h' or '2 d'. A clock that is behind the broker's gives '0 s'. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** How long something took: '40 ms', '1.2 s', then as above. */
export function spanText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : durationText(ms);
}

/** 14:03:09, and the date as well if it is not of this day. */
export function clockText(time: number, now: number): string {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return date.toDateString() === new Date(now).toDateString() ? clock : `${dayText(date)} ${clock}`;
}

/** 2026-05-04 14:03:09.120 +02:00 */
export function exactText(time: number): string {
  const date = new Date(time);
  const minutes = -date.getTimezoneOffset();
  const zone = `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = `${date.getFullYear()}-${dayText(date)}`;
  return `${day} ${clock}.${`${date.getMilliseconds()}`.padStart(3, '0')} ${zone}`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000
    ? `${(bytes / 1_000).toFixed(1)} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** 12,345 in every language of the browser, as the program prints it. */
export function countText(count: number): string {
  return `${count}`.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** '1 message', '2 messages' */
export function plural(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${countText(count)} ${noun.endsWith('x') ? `${noun}es` : `${noun}s`}`;
}

/** '10,000+' where there may be more. */
export function leastText(count: number, isPartial: boolean): string {
  return `${countText(count)}${isPartial ? '+' : ''}`;
}

function dayText(date: Date): string {
  return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function two(value: number): string {
  return `${value}`.padStart(2, '0');
}
