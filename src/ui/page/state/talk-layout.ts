// Where the names of the picture stand, and how the lines between them run: on an ellipse, in the order of the names.
// A layout by forces would move what somebody is looking at whenever mail is sent.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Area {
  readonly width: number;
  readonly height: number;
  /** Room for the names beside the ellipse. */
  readonly marginX: number;
  readonly marginY: number;
}

export interface TalkPlace extends Point {
  /** On which side of the point its name is written. */
  readonly side: 'start' | 'middle' | 'end';
}

export function placeOf(index: number, count: number, area: Area): TalkPlace {
  const { width, height, marginX, marginY } = area;
  // Two stand side by side, more begin at the top.
  const turn = count === 2 ? Math.PI : -Math.PI / 2;
  const angle = turn + (2 * Math.PI * index) / Math.max(1, count);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const radius = count === 1 ? 0 : 1;
  return {
    x: rounded(width / 2 + radius * cos * (width / 2 - marginX)),
    y: rounded(height / 2 + radius * sin * (height / 2 - marginY)),
    side: Math.abs(cos) < 0.3 || count === 1 ? 'middle' : cos > 0 ? 'start' : 'end',
  };
}

export interface Curve {
  /** For `d` of an SVG path. */
  readonly path: string;
  /** Where a number on the line stands. */
  readonly middle: Point;
}

/** Lines there and back bend to opposite sides, so that both are seen. `gap`: how far they end from the points. */
export function curveBetween(from: Point, to: Point, gap: number): Curve {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const bend = Math.min(36, length * 0.16);
  const control = {
    x: (from.x + to.x) / 2 - (dy / length) * bend,
    y: (from.y + to.y) / 2 + (dx / length) * bend,
  };
  const start = towards(from, control, gap);
  const end = towards(to, control, gap + 4);
  const path = `M${start.x} ${start.y}Q${rounded(control.x)} ${rounded(control.y)} ${end.x} ${end.y}`;
  const middle = {
    x: rounded((start.x + 2 * control.x + end.x) / 4),
    y: rounded((start.y + 2 * control.y + end.y) / 4),
  };
  return { path, middle };
}

/** A message to oneself: a small loop above the point. */
export function loopAt({ x, y }: Point): Curve {
  const path = `M${x - 6} ${y - 9}C${x - 26} ${y - 44} ${x + 26} ${y - 44} ${x + 7} ${y - 12}`;
  return { path, middle: { x, y: y - 36 } };
}

function towards(from: Point, to: Point, distance: number): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  return {
    x: rounded(from.x + ((to.x - from.x) / length) * distance),
    y: rounded(from.y + ((to.y - from.y) / length) * distance),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
