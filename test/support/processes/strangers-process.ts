// Strangers on this machine: they have no key, keep COUNT connections open, and dial again at once when one is
// closed. Arguments: PORT COUNT HELLO_BYTES, the bytes of a hello that each of them sends. It reports 'full' when
// it has connected COUNT times, and ends with its IPC channel.
import { Flood } from './flood.ts';

const [port = '', count = '', helloBytes = ''] = process.argv.slice(2);
const hello = Buffer.concat([Buffer.from('a9495043630d0a01', 'hex'), Buffer.alloc(32, 1)]);
const flood = new Flood('127.0.0.1', Number(port), hello.subarray(0, Number(helloBytes)));

process.on('disconnect', () => process.exit());
flood.keep(Number(count));
while (flood.made < Number(count)) await new Promise(setImmediate);
process.send?.('full');
