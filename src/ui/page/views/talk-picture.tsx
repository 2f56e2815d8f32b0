// Who talks to whom, as a picture: a point for each name, a line for each direction. What is under way has the accent.
import { book, go, isPausedBox, isWhole, now, status } from '../page-store.ts';
import { agentHue } from '../state/agent-hue.ts';
import { noFilter } from '../state/message-filter.ts';
import { leastText, plural } from '../state/relative-time.ts';
import { type Curve, curveBetween, loopAt, placeOf, type TalkPlace } from '../state/talk-layout.ts';
import { hourMs, type TalkLine, talkOf } from '../state/traffic.ts';
import { Empty } from './basics.tsx';

const area = { width: 640, height: 360, marginX: 130, marginY: 44 };
const pointRadius = 9;

export function TalkPicture() {
  const mail = book();
  const isPartial = mail.isPartialSince(now.value - hourMs, isWhole.value);
  const present = status.value?.sessionList.map(({ name }) => name as string) ?? [];
  const talk = talkOf(mail.stories, present, now.value);
  if (talk.names.length === 0) {
    return (
      <Empty title="Nobody talks">
        Agents appear here with their first message, for example <code>ipc post ann hello</code>.
      </Empty>
    );
  }
  const places = new Map(
    talk.names.map((name, index) => [name, placeOf(index, talk.names.length, area)]),
  );
  const drawn = talk.lines.flatMap((line): LineProps[] => {
    const [from, to] = [places.get(line.from), places.get(line.to)];
    return from && to ? [{ line, from, to, isPartial }] : [];
  });
  return (
    <>
      <svg
        class="talk"
        viewBox={`0 0 ${area.width} ${area.height}`}
        role="group"
        aria-label={summary(talk.lines, isPartial)}
      >
        <defs>
          {['idle', 'ready', 'held'].map((tone) => (
            <marker
              key={tone}
              id={`tip-${tone}`}
              class={`tip ${tone}`}
              viewBox="0 0 8 8"
              refX="6"
              refY="4"
              markerWidth="7"
              markerHeight="7"
              markerUnits="userSpaceOnUse"
              orient="auto"
            >
              <path d="M0 0.5L7 4L0 7.5z" />
            </marker>
          ))}
        </defs>
        {drawn.map((each) => (
          <Line key={keyOf(each.line)} {...each} />
        ))}
        {drawn
          .filter(({ line }) => line.ready + line.held > 0)
          .map((each) => (
            <UnderWay key={keyOf(each.line)} {...each} />
          ))}
        {[...places].map(([name, place]) => (
          <Talker key={name} name={name} place={place} isPresent={present.includes(name)} />
        ))}
      </svg>
      <p class="legend faint">
        <span class="legend-line idle" /> last hour
        <span class="legend-line ready" /> waits
        <span class="legend-line held" /> in work
        {talk.hidden > 0 && <span>{plural(talk.hidden, 'more name')} not shown</span>}
      </p>
    </>
  );
}

interface LineProps {
  readonly line: TalkLine;
  readonly from: TalkPlace;
  readonly to: TalkPlace;
  /** Some messages of the last hour are not known. */
  readonly isPartial: boolean;
}

function Line({ line, from, to, isPartial }: LineProps) {
  const curve = curveOf({ line, from, to });
  const tone = toneOf(line);
  const isFresh = Math.abs(now.value - line.lastTime) < 2_500;
  const width = Math.min(4, 1.2 + Math.log10(line.recent + 1) * 1.3);
  return (
    <g class={`line ${tone} ${isFresh ? 'fresh' : ''}`}>
      <path d={curve.path} stroke-width={width} marker-end={`url(#tip-${tone})`}>
        <title>{lineWords(line, isPartial)}</title>
      </path>
    </g>
  );
}

/** How many messages are under way; above all lines. */
function UnderWay({ line, from, to }: Omit<LineProps, 'isPartial'>) {
  const { middle } = curveOf({ line, from, to });
  const count = line.ready + line.held;
  const width = 12 + 6.4 * `${count}`.length;
  return (
    <g class={`line ${toneOf(line)}`} transform={`translate(${middle.x} ${middle.y})`}>
      <rect x={-width / 2} y="-9" width={width} height="18" rx="9" />
      <text text-anchor="middle" dy="4">
        {count}
      </text>
    </g>
  );
}

function curveOf({ line, from, to }: Omit<LineProps, 'isPartial'>): Curve {
  return line.from === line.to ? loopAt(from) : curveBetween(from, to, pointRadius + 3);
}

function toneOf({ held, ready }: TalkLine): 'held' | 'ready' | 'idle' {
  if (held > 0) return 'held';
  return ready > 0 ? 'ready' : 'idle';
}

interface TalkerProps {
  readonly name: string;
  readonly place: TalkPlace;
  readonly isPresent: boolean;
}

function Talker({ name, place, isPresent }: TalkerProps) {
  const { x, y, side } = place;
  const beside = side === 'middle' ? 0 : side === 'start' ? 16 : -16;
  const below = side === 'middle' ? (y < area.height / 2 ? -18 : 28) : 4;
  const box = status.value?.mailboxes.find(({ mailbox }) => mailbox === name);
  const words = [
    isPresent ? 'connected' : 'not connected',
    isPausedBox(name) ? 'paused' : '',
    box ? `${box.ready} ready` : '',
  ];
  const open = () => go({ view: 'conversations', filter: { ...noFilter, agent: name }, open: '' });
  return (
    // A link of SVG would need an address; a button of HTML cannot stand in a picture.
    <g
      class={`talker ${isPresent ? 'present' : ''} ${isPausedBox(name) ? 'paused' : ''}`}
      style={{ '--hue': agentHue(name) }}
      transform={`translate(${x} ${y})`}
      role="button"
      tabIndex={0}
      aria-label={`${name}: ${words.filter(Boolean).join(', ')}. Show its conversations`}
      onClick={open}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        event.stopPropagation();
        open();
      }}
    >
      <circle class="halo" r={pointRadius + 5} />
      <circle class="point" r={pointRadius} />
      <text x={beside} y={below} text-anchor={side}>
        {name.length > 18 ? `${name.slice(0, 17)}…` : name}
      </text>
    </g>
  );
}

function keyOf({ from, to }: TalkLine): string {
  return `${from}\0${to}`;
}

function summary(lines: readonly TalkLine[], isPartial: boolean): string {
  const parts = lines.slice(0, 12).map((line) => lineWords(line, isPartial));
  return parts.length === 0 ? 'Nobody has sent mail in the last hour' : parts.join('; ');
}

function lineWords({ from, to, recent, ready, held }: TalkLine, isPartial: boolean): string {
  const way = [ready > 0 ? `${ready} waiting` : '', held > 0 ? `${held} in work` : ''].filter(
    Boolean,
  );
  const suffix = way.length > 0 ? `, ${way.join(', ')}` : '';
  const count = isPartial ? `${leastText(recent, true)} messages` : plural(recent, 'message');
  return `${from} to ${to}: ${count} in the last hour${suffix}`;
}
