// Messages a minute over the last hour. uPlot draws it on a canvas, which gets its colours from the style sheet.
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import { now, trafficNow } from '../page-store.ts';
import { plural } from '../state/relative-time.ts';
import type { MinuteCounts } from '../state/traffic.ts';
import { isDark } from '../theme.ts';

export function RateChart() {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | undefined>(undefined);
  const counts = trafficNow().lastHour(now.value);
  const dark = isDark.value;
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const made = new UPlot(optionsFor(element), dataOf(counts), element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize(sizeOf(element)));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
    };
  }, [dark]);
  const shown = JSON.stringify(counts);
  useEffect(() => plot.current?.setData(dataOf(counts)), [shown]);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const stored = sum(counts.stored);
  const least = counts.isPartial ? 'at least ' : '';
  const label = `${least}${plural(stored, 'message')} stored and ${sum(counts.done)} done in the last hour, at most ${Math.max(...counts.stored)} a minute`;
  return (
    <>
      <div ref={holder} class="rate" role="img" aria-label={label} />
      <p class="legend faint">
        <span class="legend-line stored" /> stored
        <span class="legend-line done" /> done
      </p>
    </>
  );
}

function sizeOf(element: HTMLElement) {
  return { width: element.clientWidth, height: element.clientHeight };
}

function dataOf({ seconds, stored, done }: MinuteCounts): UPlot.AlignedData {
  return [[...seconds], [...stored], [...done]];
}

function optionsFor(element: HTMLElement): UPlot.Options {
  const style = getComputedStyle(element);
  const [accent, quiet, grid, text] = [
    style.getPropertyValue('outline-color'),
    style.getPropertyValue('column-rule-color'),
    style.getPropertyValue('border-top-color'),
    style.color,
  ];
  const axis = { stroke: text, font: `11px ${style.fontFamily}`, ticks: { show: false } };
  const stepped = UPlot.paths.stepped?.({ align: 1 });
  return {
    ...sizeOf(element),
    padding: [12, 12, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 60, values: (_, seconds) => seconds.map(clockOf) },
      {
        ...axis,
        size: 44,
        grid: { stroke: grid, width: 1 },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000],
      },
    ],
    series: [
      {},
      {
        stroke: accent,
        width: 1.5,
        fill: `color-mix(in srgb, ${accent} 16%, transparent)`,
        ...(stepped && { paths: stepped }),
        points: { show: false },
      },
      { stroke: quiet, width: 1.5, ...(stepped && { paths: stepped }), points: { show: false } },
    ],
  };
}

function clockOf(seconds: number): string {
  const date = new Date(seconds * 1_000);
  return `${`${date.getHours()}`.padStart(2, '0')}:${`${date.getMinutes()}`.padStart(2, '0')}`;
}
