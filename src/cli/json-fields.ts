// The objects that `--json` prints on stdout: their fields, by command. The manual is made of this.

/** What each field has, in their order. */
type Fields = Readonly<Record<string, string>>;

export interface JsonObjects {
  /** As they are typed, without `ipc`. */
  readonly commands: readonly string[];
  readonly fields: Fields;
}

const origin: Fields = {
  program: 'the program of the sender',
  pid: 'its process',
  machine: 'where that runs',
};

export const jsonObjects: readonly JsonObjects[] = [
  {
    commands: ['post'],
    fields: {
      to: 'the mailbox; of a post to several, an object for each',
      id: 'the id of the message',
      number: 'its number in the store',
      duplicate: 'true: it was stored before, and not again',
      reader: 'true: a reader was waiting for it',
    },
  },
  {
    commands: ['wait', 'fetch', 'ask'],
    fields: {
      id: 'the id of the message',
      number: 'its number in the store',
      mailbox: 'where it was read',
      to: 'where it was posted to',
      from: 'the name of the sender; "" when there is none',
      ...origin,
      time: 'when it was stored, in ms since 1970',
      attempt: 'how often it was handed over, this time included',
      answers: 'the id of the message that it answers, or ""',
      damaged: 'true: the disk damaged it, and its body is lost',
      body: 'its text; null when it is damaged',
    },
  },
  {
    commands: ['send'],
    fields: { received: 'true', host: 'HOST:PORT of the session that has it' },
  },
  {
    commands: ['receive'],
    fields: { from: 'the name of the sender; "" when there is none', ...origin, body: 'its text' },
  },
  {
    commands: ['ping'],
    fields: { host: 'HOST:PORT that answered', ms: 'how long that took' },
  },
  {
    commands: ['broker'],
    fields: {
      port: 'the port of the broker',
      role: '"owner" when this process owns it, else "client"',
      pid: 'the process that owns it',
      epoch: 'how many owners the store has had',
      addresses: 'where it listens',
      messages: 'messages that are not settled',
      warnings: 'what is wrong with the disk, in sentences',
    },
  },
  {
    commands: ['status'],
    fields: {
      host: 'the machine of the broker; null when it is this one',
      port: 'the port of the broker',
      pid: 'the process that owns it',
      own: 'true: this process owns it',
      epoch: 'how many owners the store has had',
      addresses: 'where it listens',
      messages: 'messages that are not settled',
      bytes: 'bytes of their bodies',
      sessions: 'sessions that are connected',
      mailboxCount: 'mailboxes that have mail, or readers',
      mailboxes: 'of each: mailbox, ready, held, waiting, oldestTime',
      deadLetterCount: 'messages that are out of attempts',
      deadLetters: 'by the mailbox they were meant for: to, messages',
      damaged: 'messages that the disk damaged',
      storageStalledMs: 'for how long the disk has not answered',
      warnings: 'what is wrong with the disk, in sentences',
    },
  },
  {
    commands: ['store check'],
    fields: {
      folder: 'the folder of the store',
      records: 'how many of each kind',
      mailboxes: 'of each: mailbox, messages, bytes',
      messages: 'messages that are not settled',
      bytes: 'bytes of their bodies',
      store: 'its id; null when it cannot be read',
      epoch: 'how many owners it has had',
      sound: 'false: something in it is damaged',
      faults: 'what, in sentences',
      kept: 'what was found damaged before, in sentences',
      warnings: 'what is wrong with the disk, in sentences',
      segments: 'its files: epoch, segment, bytes',
    },
  },
  {
    commands: ['store retry'],
    fields: {
      moved: 'put back, of each: id, to',
      stayed: 'not put back, because there is no room: id, to',
      missing: 'ids that are no dead letters, or are held',
    },
  },
  {
    commands: ['doctor'],
    fields: {
      about: 'what was looked at',
      ok: 'false: something is amiss',
      what: 'what was found',
      hint: 'what to do, or null',
    },
  },
  {
    commands: ['key show'],
    fields: {
      key: 'the key, in 64 hex digits',
      path: 'its file; null when it is in IPC_KEY',
      old: 'true: the key before it is good, too',
    },
  },
  {
    commands: ['key new', 'key import', 'key retire'],
    fields: {
      path: 'the file of the key',
      same: 'true: nothing was to be done',
      old: 'true: the key before it is good, too',
    },
  },
];
