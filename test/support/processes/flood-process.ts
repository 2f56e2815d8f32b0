// A flood from another machine. It reports its counts while it runs and at its end.
import { Flood } from './flood.ts';

export interface FloodReport {
  readonly made: number;
  readonly receivedBytes: number;
  readonly isOver: boolean;
}

const [host = '', port = '', count = ''] = process.argv.slice(2);
const flood = new Flood(host, Number(port));
const report = (isOver: boolean): void => {
  const { made, receivedBytes } = flood;
  const counts: FloodReport = { made, receivedBytes, isOver };
  process.send?.(counts);
};
const timer = setInterval(() => report(false), 20);
process.on('disconnect', () => process.exit());
await flood.run(Number(count));
clearInterval(timer);
report(true);
