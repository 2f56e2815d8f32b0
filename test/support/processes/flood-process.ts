// A flood from another machine; it reports what it has made, as it goes on and at its end.
import { Flood } from './flood.ts';

export interface FloodReport {
  readonly made: number;
  readonly heard: number;
  readonly isOver: boolean;
}

const [host = '', port = '', count = ''] = process.argv.slice(2);
const flood = new Flood(host, Number(port));
const report = (isOver: boolean): void => {
  const { made, heard } = flood;
  const said: FloodReport = { made, heard, isOver };
  process.send?.(said);
};
const timer = setInterval(() => report(false), 20);
process.on('disconnect', () => process.exit());
await flood.run(Number(count));
clearInterval(timer);
report(true);
