// Hands out jobs, gathers the results, and ends the workers: node orchestrator.js WORKERS JOBS.
import { open } from 'agent-ipc';

const [workers = 2, jobs = 10] = process.argv.slice(2).map(Number);
const mail = await open({ name: 'orchestrator' });
const waiting = new Set();
for (let number = 1; number <= jobs; number++) {
  const { id } = await mail.post('jobs', JSON.stringify({ number }));
  waiting.add(id);
}
let sum = 0;
for await (const result of mail.messages('orchestrator')) {
  // A worker that died after it answered may have left its job to another: the first answer counts.
  if (waiting.delete(result.answers)) sum += JSON.parse(result.text).square;
  if (waiting.size > 0) continue;
  await result.settle();
  break;
}
for (let count = 0; count < workers; count++) await mail.post('jobs', 'shutdown');
console.log(sum);
await mail.close();
