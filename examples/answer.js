// Two sessions, the one that answers: node answer.js, beside node ask.js in another terminal.
import { open } from 'agent-ipc';

const mail = await open({ name: 'bob' });
for await (const message of mail.messages('bob')) {
  if (message.text === 'shutdown') {
    await message.settle();
    break;
  }
  if (message.from === '') continue; // nobody to answer
  await mail.post(message.from, `You asked: ${message.text}`, { answers: message });
}
await mail.close();
