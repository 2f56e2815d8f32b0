// Point to point, the other side: returns when the receiver has the message.
import { open } from 'agent-ipc';

const [port = '19900', text = 'hello'] = process.argv.slice(2);
const mail = await open({ name: 'sender' });
await mail.send(`127.0.0.1:${port}`, text);
await mail.close();
