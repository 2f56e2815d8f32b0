// Two sessions, the one that asks: node ask.js "a question".
import { open } from 'agent-ipc';

const mail = await open({ name: 'ann' });
const answer = await mail.ask('bob', process.argv[2] ?? 'Is anybody there?');
console.log(answer?.text ?? 'no answer within a minute; the question stays in the mailbox of bob');
await answer?.settle();
await mail.close();
