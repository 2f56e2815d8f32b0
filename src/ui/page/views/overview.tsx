// How things are: warnings, figures, who talks to whom, the rate of the last hour, sessions and mailboxes.
import { isLoaded, now, status, trafficNow } from '../page-store.ts';
import { bytesText, countText, leastText, plural } from '../state/relative-time.ts';
import { Icon } from './basics.tsx';
import { MailboxTable } from './mailbox-table.tsx';
import { RateChart } from './rate-chart.tsx';
import { SessionTable } from './session-table.tsx';
import { TalkPicture } from './talk-picture.tsx';

export function Overview() {
  return (
    <div class="overview">
      <Warnings />
      <Figures />
      <section class="card picture" aria-labelledby="picture-title">
        <h2 id="picture-title">Who talks to whom</h2>
        <TalkPicture />
      </section>
      <section class="card chart" aria-labelledby="chart-title">
        <h2 id="chart-title">
          Messages a minute <span class="faint">last hour</span>
        </h2>
        <RateChart />
      </section>
      <section class="card mailboxes" aria-labelledby="mailboxes-title">
        <h2 id="mailboxes-title">
          Mailboxes <Count value={status.value?.mailboxCount} />
        </h2>
        <MailboxTable />
      </section>
      <section class="card sessions" aria-labelledby="sessions-title">
        <h2 id="sessions-title">
          Sessions <Count value={status.value?.namedSessions} />
        </h2>
        <SessionTable />
      </section>
    </div>
  );
}

function Count({ value }: { readonly value: number | undefined }) {
  return <span class="faint">{value === undefined ? '' : countText(value)}</span>;
}

function Warnings() {
  const known = status.value;
  if (!known) return null;
  const { warnings, damaged, storageStalledMs } = known;
  const all = [...warnings];
  if (damaged > 0)
    all.push(`the disk damaged ${plural(damaged, 'unsettled message')}; see \`ipc store check\``);
  if (storageStalledMs > 0)
    all.push(`the disk has not finished a sync for ${Math.round(storageStalledMs / 1_000)} s`);
  if (all.length === 0) return null;
  return (
    <section class="warnings" aria-label="Warnings of the store">
      {all.map((warning) => (
        <p key={warning} class="banner held">
          <Icon name="warning" />
          <span>{warning}</span>
        </p>
      ))}
    </section>
  );
}

function Figures() {
  const known = status.value;
  const { stored, done, isPartial } = trafficNow().lastHour(now.value);
  // The running minute is not over, so the figure is that of the minute before or of this one, the higher of both.
  const perMinute = Math.max(stored.at(-1) ?? 0, stored.at(-2) ?? 0);
  const held = known?.mailboxes.reduce((sum, mailbox) => sum + mailbox.held, 0);
  const hour = stored.reduce((sum, count) => sum + count, 0);
  const ended = done.reduce((sum, count) => sum + count, 0);
  return (
    <dl class="figures">
      <Figure label="Unsettled" value={known?.messages} detail={known && bytesText(known.bytes)} />
      <Figure label="Under way" value={held} detail="held" tone={held ? 'held' : ''} />
      <Figure
        label="Dead letters"
        value={known?.deadLetterCount}
        detail="given up"
        tone={known?.deadLetterCount ? 'dead' : ''}
      />
      <Figure label="Sessions" value={known?.sessions} detail="connected" />
      <Figure
        label="Last hour"
        value={isLoaded.value ? leastText(hour, isPartial) : undefined}
        detail={`${leastText(ended, isPartial)} done`}
      />
      <Figure
        label="Rate"
        value={isLoaded.value ? perMinute : undefined}
        detail="stored a minute"
      />
    </dl>
  );
}

interface FigureProps {
  readonly label: string;
  readonly value: number | string | undefined;
  readonly detail: string | undefined;
  readonly tone?: string;
}

function Figure({ label, value, detail, tone = '' }: FigureProps) {
  return (
    <div class={`figure ${tone}`}>
      <dt>{label}</dt>
      <dd>{typeof value === 'number' ? countText(value) : (value ?? '–')}</dd>
      <dd class="faint">{detail ?? '\u00a0'}</dd>
    </div>
  );
}
