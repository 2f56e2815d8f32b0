// One of a pool of workers: start it as often as you like. Each job goes to one of them; the job of one
// that dies goes to another. A job that fails is redelivered; after 20 attempts it waits in `dead-letters`.
import { setTimeout as sleep } from 'node:timers/promises';
import { open } from 'agent-ipc';

const mail = await open({ name: `worker ${process.pid}` });
for await (const job of mail.messages('jobs')) {
  if (job.text === 'shutdown') {
    await job.settle();
    break;
  }
  try {
    const { number } = JSON.parse(job.text);
    await mail.post(job.from, JSON.stringify({ number, square: number ** 2 }), { answers: job });
  } catch (error) {
    console.error(`${job.id}, attempt ${job.attempt}: ${error.message}`);
    await job.release();
    await sleep(1_000);
  }
}
await mail.close();
