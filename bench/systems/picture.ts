// The results as an SVG: for each figure a bar for each contender, from the median. Its colours can be read on a light
// and on a dark ground.
import { median } from '../support/measure.ts';
import type { Unit, Values } from './rounds.ts';

export interface Panel {
  readonly title: string;
  readonly unit: Unit;
  readonly values: Values;
}

const width = 760;
const nameWidth = 190;
const valueWidth = 110;
const barHeight = 14;
const rowHeight = 20;
const titleHeight = 34;
const grey = '#7d8590';
const blue = '#3b82d6';

/** The words for its values in the title of a panel. */
const unitText: Readonly<Record<Unit, string>> = {
  Us: 'less is better',
  Ms: 'ms, less is better',
  PerSecond: 'a second, more is better',
  Bytes: 'bytes, less is better',
  Megabytes: 'MB, less is better',
  MegabytesPerSecond: 'MB/s, more is better',
};

export function pictureOf(panels: readonly Panel[]): string {
  const parts: string[] = [];
  let top = 0;
  for (const { title, unit, values } of panels) {
    const bars = [...values].map(([name, rounds]) => ({ name, value: median(rounds) }));
    const max = Math.max(...bars.map(({ value }) => value));
    parts.push(text(0, top + 22, `${title} (${unitText[unit]})`, 'font-weight="bold"'));
    top += titleHeight;
    for (const { name, value } of bars) {
      const length = Math.max(1, (value / max) * (width - nameWidth - valueWidth));
      const color = name.startsWith('ipc') ? blue : grey;
      const place = `x="${nameWidth}" y="${top}" width="${length.toFixed(1)}" height="${barHeight}"`;
      parts.push(text(0, top + 11, name));
      parts.push(`<rect ${place} rx="2" fill="${color}"/>`);
      parts.push(text(nameWidth + length + 6, top + 11, shown(value, unit)));
      top += rowHeight;
    }
  }
  const size = `viewBox="0 0 ${width} ${top}" width="${width}" height="${top}"`;
  const font = `font-family="sans-serif" font-size="12" fill="${grey}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>\n${parts.join('\n')}\n</svg>\n`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${content}</text>`;
}

function shown(value: number, unit: Unit): string {
  if (unit !== 'Us') return Math.round(value).toLocaleString('en-US');
  return value < 10_000 ? `${Math.round(value)} us` : `${Math.round(value / 1_000)} ms`;
}
