// Which folders are used as the state folder: only the user and root may be able to change what the path leads to.
// The folders have real owners and modes; the user of the process is mocked.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { requireTrustedFile, requireTrustedFolder } from '../../../src/files/trusted-path.ts';
import { makeHome } from '../../support/places.ts';

const uid = 54_321;
const other = 54_322;
const root = 0;
/** Of an account in the password file that is not this user. */
const groupOfOthers = 1;
const groupOfNobody = 54_399;
const rootOnly = { skip: process.getuid?.() === root ? false : 'only root can give files away' };

interface Part {
  readonly owner?: number;
  readonly group?: number;
  readonly mode?: number;
}

/** Folders within each other, in a folder of root; returns the path of the last. */
async function folders(context: TestContext, ...parts: Part[]): Promise<string> {
  let path = await makeHome(context);
  chmodSync(path, 0o755);
  for (const [index, { owner = uid, group = uid, mode = 0o700 }] of parts.entries()) {
    path = join(path, `part${index}`);
    mkdirSync(path);
    chownSync(path, owner, group);
    chmodSync(path, mode);
  }
  return path;
}

function as(user: number, context: TestContext): void {
  context.mock.method(process as { geteuid(): number }, 'geteuid', () => user);
}

const accepted: Readonly<Record<string, readonly Part[]>> = {
  'the folder of the user': [{}],
  'a home of 0755': [{ mode: 0o755 }, {}],
  'a home of 0775, with a group of the user alone': [{ mode: 0o775 }, { mode: 0o775 }],
  'a folder of root that the user may enter': [{ owner: root, group: root, mode: 0o755 }, {}],
  'a sticky folder of root that all can write': [{ owner: root, mode: 0o1777 }, {}],
  'a volume of root, written by a group that no account has': [
    { owner: root, group: groupOfNobody, mode: 0o2775 },
  ],
  'a home that the group of root can write': [{ owner: root, group: root, mode: 0o775 }, {}],
};

for (const [what, parts] of Object.entries(accepted)) {
  test(`accepted: ${what}`, rootOnly, async (context) => {
    const path = await folders(context, ...parts);
    as(uid, context);
    requireTrustedFolder(path);
    requireTrustedFolder(join(path, 'not-there', 'yet'));
  });
}

const refused: Readonly<Record<string, readonly [parts: readonly Part[], error: RegExp]>> = {
  'a folder of another user': [
    [{ owner: other, mode: 0o777 }],
    /part0 belongs to user 54322, and this process is of user 54321$/,
  ],
  'a folder that all users can write': [
    [{ mode: 0o707 }],
    /part0 can be written by all users, so what is in it cannot be trusted$/,
  ],
  'a folder that all users can write, though it is sticky': [
    [{ mode: 0o1777 }],
    /part0 can be written by all users, /,
  ],
  'a folder in one of another user': [
    [{ owner: other, mode: 0o755 }, {}],
    /part0 belongs to user 54322, /,
  ],
  'a folder in a sticky one of another user, who can rename in it': [
    [{ owner: other, mode: 0o1777 }, {}],
    /part0 belongs to user 54322, /,
  ],
  'a folder in one that all users can write': [
    [{ owner: root, mode: 0o777 }, {}],
    /part0 can be written by all users, /,
  ],
  'a folder two levels below one that all users can write': [
    [{ mode: 0o777 }, {}, {}],
    /part0 can be written by all users, /,
  ],
  'a home that a group with other members can write': [
    [{ group: groupOfOthers, mode: 0o775 }, {}],
    /part0 can be written by group \w+ \(1\), /,
  ],
  'a folder that a group with other members can write': [
    [{ group: groupOfOthers, mode: 0o770 }],
    /part0 can be written by group \w+ \(1\), /,
  ],
};

for (const [what, [parts, message]] of Object.entries(refused)) {
  test(`refused: ${what}`, rootOnly, async (context) => {
    const path = await folders(context, ...parts);
    as(uid, context);
    assert.throws(() => requireTrustedFolder(path), { code: 'home_unusable', message });
    if (parts.length > 1) {
      const below = join(path, 'not-there', 'yet');
      assert.throws(() => requireTrustedFolder(below), { code: 'home_unusable', message });
    }
  });
}

test(
  'the error has the command that mends a folder of the user, and another way where it cannot',
  rootOnly,
  async (context) => {
    const hints: readonly (readonly [parts: readonly Part[], hint: RegExp])[] = [
      [
        [{ mode: 0o777 }],
        /^`chmod 700 \S+part0`, or set IPC_HOME to a folder that others cannot replace$/,
      ],
      [[{ mode: 0o777 }, {}], /^`chmod go-w \S+part0`, or set IPC_HOME to /],
      [[{ owner: root, mode: 0o777 }, {}], /^set IPC_HOME to a folder that others cannot replace$/],
      [[{ owner: other }], /^set IPC_HOME to a folder of yours$/],
      // A temporary folder: with mode 0700 no other user could use it any more.
      [[{ mode: 0o1777 }], /^set IPC_HOME to a folder of its own, such as \S+part0\/ipc$/],
      [[{ owner: root, mode: 0o1777 }], /^set IPC_HOME to a folder of its own, such as \S+\/ipc$/],
    ];
    const paths = await Promise.all(hints.map(([parts]) => folders(context, ...parts)));
    as(uid, context);
    for (const [index, [, hint]] of hints.entries()) {
      assert.throws(() => requireTrustedFolder(paths[index] ?? ''), { hint });
    }
  },
);

test('root uses no folder of another user, nor one in such a folder', rootOnly, async (context) => {
  const paths = [
    await folders(context, {}),
    await folders(context, { mode: 0o755 }, { owner: root, group: root }),
  ];
  as(root, context);
  for (const path of paths) {
    assert.throws(() => requireTrustedFolder(path), {
      code: 'home_unusable',
      message: /part0 belongs to user 54321; files that root makes in it would lock that user out$/,
      hint: "run it without sudo, or as that user (sudo -u '#54321'), or set IPC_HOME to a folder of root",
    });
  }
});

function link(path: string, target: string, owner = uid): string {
  symlinkSync(target, path);
  lchownSync(path, owner, owner);
  return path;
}

test(
  'a link of the user or of root is followed, and each part of its target is examined',
  rootOnly,
  async (context) => {
    const open = await folders(context, { owner: root, mode: 0o1777 });
    const target = await folders(context, { mode: 0o755 }, {});
    const exposed = await folders(context, { owner: root, mode: 0o777 }, {});
    mkdirSync(join(open, 'beside'));
    const [own, roots, relative, dangling] = [
      link(join(open, 'own'), target),
      link(join(open, 'roots'), target, root),
      link(join(open, 'relative'), './beside/../own/'),
      link(join(open, 'dangling'), join(target, 'not-there')),
    ];
    const toExposed = link(join(open, 'exposed'), exposed);
    const foreign = link(join(open, 'foreign'), target, other);
    const loop = link(join(open, 'loop'), 'loop');
    as(uid, context);
    for (const path of [own, roots, relative, dangling, loop]) requireTrustedFolder(path);
    assert.throws(() => requireTrustedFolder(toExposed), {
      message: /part0 can be written by all users, /,
    });
    for (const path of [foreign, join(foreign, 'broker-1')]) {
      assert.throws(() => requireTrustedFolder(path), {
        message:
          /foreign is a symbolic link that belongs to user 54322, and this process is of user 54321$/,
      });
    }
  },
);

test(
  'a key file is accepted in a sticky folder and behind links of root, as a container mounts it',
  rootOnly,
  async (context) => {
    const secrets = await folders(context, { owner: root, group: root, mode: 0o1777 });
    mkdirSync(join(secrets, '..2026'));
    writeFileSync(join(secrets, '..2026', 'key'), '');
    link(join(secrets, '..data'), '..2026', root);
    const key = link(join(secrets, 'key'), '..data/key', root);
    const forged = join(secrets, 'key.old');
    writeFileSync(forged, '');
    chownSync(forged, other, other);
    as(uid, context);
    requireTrustedFile(key);
    requireTrustedFile(join(secrets, 'not-there'));
    assert.throws(() => requireTrustedFile(forged), {
      code: 'key_unusable',
      message: /key\.old belongs to user 54322, and this process is of user 54321$/,
      hint: 'set IPC_KEY_FILE to a file of yours',
    });
  },
);

test(
  "the folders above the home folder are the administrator's, and the home folder is not, however HOME is spelled",
  rootOnly,
  async (context) => {
    const home = await folders(context, { owner: other, mode: 0o777 }, {});
    const path = join(home, '.agent-ipc');
    const { HOME } = process.env;
    context.after(() => {
      process.env.HOME = HOME;
    });
    as(uid, context);
    assert.throws(() => requireTrustedFolder(path), /part0 belongs to user 54322/);
    process.env.HOME = home;
    requireTrustedFolder(path);
    chmodSync(home, 0o777);
    for (const spelling of [home, `${home}/`, `${home}/../part1`]) {
      process.env.HOME = spelling;
      assert.throws(() => requireTrustedFolder(path), /part1 can be written by all users/);
    }
  },
);
