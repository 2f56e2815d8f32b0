// Point to point, without a broker: node receive.js PORT, then node send.js PORT "text".
import { open } from 'agent-ipc';

const mail = await open();
const message = await mail.receive({ port: Number(process.argv[2] ?? 19_900) });
console.log(message?.text ?? 'no message within a minute');
await message?.confirm();
await mail.close();
