#!/usr/bin/env python3
"""A client of agent-ipc in one file: posts, waits and settles at a broker on this machine.

    ipc.py post TO [TEXT] [--from NAME]    without TEXT, or with -, the body is read from stdin
    ipc.py wait MAILBOX [--timeout S]      the body goes to stdout, and is settled once it is there

Exit codes: 0 success, 1 operation failed, 2 usage error, 124 timed out.
IPC_HOME is the state folder (~/.agent-ipc), IPC_PORT the broker's port on 127.0.0.1 (19901). IPC_BROKER names
the broker of this machine as HOST:PORT; one of another machine is refused, because reaching it takes TLS.

As a module, from one thread:

    with ipc.Session() as session:
        session.post('reviewer', b'please look', sender='me')
        message = session.wait('me', timeout=60)
        if message is not None:
            print(message.body.decode())
            session.settle(message)

It speaks what docs/internals/protocol.md describes and needs nothing but Python 3.8 on Linux. It is never the broker
itself: keep one alive, with `ipc broker` for example.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import re
import secrets
import socket
import stat
import struct
import sys
import threading
import time
import zlib
from typing import Callable, Iterable, NamedTuple, TypeVar

T = TypeVar('T')

HOST = '127.0.0.1'
PORT = '19901'
PROTOCOL = 2
VERSION = '1'  # of this program, for messages
PREFACE_CLIENT, PREFACE_SERVER = b'\xa9IPCc\r\n\x01', b'\xa9IPCs\r\n\x01'

HELLO, POST, WAIT, SETTLE, GOODBYE, PING = 0x01, 0x02, 0x03, 0x06, 0x09, 0x0B
WELCOME, STORED, OFFER, END, SETTLED = 0x81, 0x82, 0x83, 0x84, 0x85
ERROR, GOING, PONG = 0x88, 0x89, 0x8B

ID_DIGITS = '0123456789abcdefghijklmnopqrstuv'
NAME_BYTES_MAX = 200
HEADER_BYTES_MAX = BODY_BYTES_MAX = 1_048_576
WAIT_S_MAX = 300
HANDSHAKE_S = 2
HEARTBEAT_S = 15
SILENCE_S_DEAD = 45
REDIAL_S = 10  # how long a lost broker may take to be replaced
REDIAL_S_PAUSE = 0.1

BROKER_GAVE_UP = {'storage_failed', 'owner_replaced'}
USAGE_ERRORS = {'bad_name', 'bad_body', 'body_too_large', 'bad_port', 'bad_host', 'bad_timeout'}
EXIT_FAILED, EXIT_USAGE, EXIT_TIMED_OUT, EXIT_INTERRUPTED = 1, 2, 124, 130


class IpcError(Exception):
    """A call failed; `code` is an error code of the protocol."""

    def __init__(self, code: str, text: str):
        super().__init__(text)
        self.code = code


class Refused(IpcError):
    """The broker refused one request; the connection stays open."""


# Fields of headers


def text(value: str) -> bytes:
    # Arguments that are not UTF-8 are sent unchanged, and the broker refuses them.
    data = value.encode('utf-8', 'surrogateescape')
    if len(data) > NAME_BYTES_MAX:
        raise IpcError('bad_name', f'a name has at most {NAME_BYTES_MAX} bytes')
    return bytes([len(data)]) + data


def holds(held: Iterable[tuple[int, str]]) -> bytes:
    items = [struct.pack('>Q', number) + text(id) for number, id in held]
    return struct.pack('>I', len(items)) + b''.join(items)


class Fields:
    """Takes the fields of a header in their order."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise IpcError('bad_frame', 'the broker sent a header that is too short')
        self._at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), 'big')

    def text(self) -> str:
        return self.take(self.number(1)).decode()

    def holds(self) -> list[tuple[int, str]]:
        return [(self.number(8), self.text()) for _ in range(self.number(4))]


class Message(NamedTuple):
    """A message that this session holds until it settles it."""

    id: str
    number: int
    to: str
    sender: str
    answers: str
    attempt: int
    body: bytes | None  # None: the broker's disk damaged it


def offered(header: bytes, body: bytes) -> Message:
    fields = Fields(header)
    attempt, _others = fields.number(4), fields.number(4)
    damaged, _mailbox = fields.number(1), fields.text()
    number, _time, id = fields.number(8), fields.number(8), fields.text()
    to, sender, answers = fields.text(), fields.text(), fields.text()
    _program, _pid, _machine = fields.text(), fields.number(4), fields.text()
    size, checksum = fields.number(4), fields.number(4)
    if damaged:
        return Message(id, number, to, sender, answers, attempt, None)
    if size != len(body) or checksum != zlib.crc32(body):
        raise IpcError('body_damaged', f'message {id} is not what its sender posted')
    return Message(id, number, to, sender, answers, attempt, body)


# The key and the handshake


def read_key(path: pathlib.Path) -> bytes:
    """Reads the key; refuses a file that other users can read."""
    try:
        with open(path, encoding='latin-1') as file:
            mode, line = os.fstat(file.fileno()).st_mode, file.read().strip()
    except OSError as error:
        what = f'{path} cannot be read ({error.strerror}); the first broker creates it'
        raise IpcError('key_unusable', what) from None
    if stat.S_IMODE(mode) & 0o077:
        raise IpcError('key_unusable', f'others can read {path}: make a new one, or chmod 600 it')
    if not re.fullmatch('[0-9a-fA-F]{64}', line):
        raise IpcError('key_unusable', f'{path} does not hold 64 hex digits')
    return bytes.fromhex(line)


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b''.join(parts), hashlib.sha256).digest()


def receive(connection: socket.socket, size: int) -> bytes:
    """Receives `size` bytes, or fewer if the connection ends before."""
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def place() -> str:
    """The machine and the network namespace of this process."""
    try:
        boot = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
        return f'{boot} {os.readlink("/proc/self/ns/net")}'
    except OSError as error:
        what = f'ipc.py needs Linux with /proc, to name its place ({error.strerror})'
        raise IpcError('unreachable', what) from None


def shake_hands(connection: socket.socket, key: bytes, port: int) -> None:
    """Both sides prove the key, the broker first: a squatter on its port learns nothing."""
    where = f'{HOST}:{port}'
    random = secrets.token_bytes(16)
    nonce = random + mac(key, b'agent-ipc nonce 1\0', random)[:16]
    connection.sendall(PREFACE_CLIENT + nonce)
    try:
        answer = receive(connection, 72)
    except socket.timeout:
        raise IpcError('port_taken', f'{where} is silent: no broker, or a stopped one') from None
    if answer == b'' or answer.startswith(PREFACE_CLIENT):
        raise ConnectionResetError('a broker that is ending, or this connection itself')
    if len(answer) < 72 or not answer.startswith(PREFACE_SERVER):
        raise IpcError('port_taken', f'{where} is not a broker: set IPC_PORT')
    binding = f'{HOST} {port} {place()}'.encode()
    transcript = binding + PREFACE_CLIENT + nonce + answer[:40]
    if not hmac.compare_digest(answer[40:], mac(key, b'agent-ipc server 1\0', transcript)):
        other = 'has another key (set IPC_HOME), is behind a tunnel, or is older than ipc.py'
        raise IpcError('key_mismatch', f'the broker on {where} {other}')
    connection.sendall(mac(key, b'agent-ipc client 1\0', transcript))


def port_of(given: str, variable: str) -> int:
    if not given.isdecimal() or not 0 < int(given) < 65_536:
        raise IpcError('bad_port', f'{variable} is {given}, not a port from 1 to 65535')
    return int(given)


def broker_port() -> int:
    given = os.environ.get('IPC_BROKER')
    if not given:
        return port_of(os.environ.get('IPC_PORT') or PORT, 'IPC_PORT')
    host, _, port = given.rpartition(':')
    if host not in ('localhost', '[::1]') and not host.startswith('127.'):
        only = 'ipc.py uses the broker of this machine only: unset it, or use `ipc`'
        raise IpcError('bad_host', f'IPC_BROKER is {given}; {only}')
    return port_of(port, 'the port in IPC_BROKER')


class Answer(NamedTuple):
    kind: int
    header: bytes
    body: bytes


class Link:
    """One connection to a broker. Its loss, for whatever reason, is an OSError."""

    def __init__(self, port: int, key: bytes):
        self._socket = socket.create_connection((HOST, port), HANDSHAKE_S)
        try:
            shake_hands(self._socket, key, port)
        except BaseException:
            self._socket.close()
            raise
        self._socket.settimeout(SILENCE_S_DEAD)
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self._socket.close()

    def send(self, kind: int, number: int, header: bytes = b'', body: bytes = b'') -> None:
        length = 12 + len(header) + len(body)
        head = struct.pack('>IBBHII', length, kind, 0, 0, number, len(header))
        with self._sending:
            self._socket.sendall(head + header + body)

    def ask(self, kind: int, header: bytes, body: bytes, answers: tuple[int, ...]) -> Answer:
        """Sends a request and reads on until it is answered; pings are answered meanwhile."""
        number = next(self._numbers)
        self.send(kind, number, header, body)
        while True:
            answered, answer = self._read()
            if answer.kind == PING:
                self.send(PONG, answered)
            elif answer.kind == GOING:
                raise ConnectionResetError('the broker hands over')
            elif answer.kind == ERROR:
                self._refuse(json.loads(answer.header))
            elif answer.kind in answers and answered == number:
                return answer
            elif answer.kind != PONG:
                raise IpcError('bad_frame', f'unexpected frame of type {answer.kind:02x}')

    def _refuse(self, error: dict) -> None:
        if error['code'] in BROKER_GAVE_UP:
            raise ConnectionResetError(error['message'])
        raise Refused(error['code'], error['message'])

    def _read(self) -> tuple[int, Answer]:
        head = struct.unpack('>IBBHII', self._exactly(16))
        length, kind, flags, reserved, number, header_bytes = head
        body_bytes = length - 12 - header_bytes
        lengths_fit = header_bytes <= HEADER_BYTES_MAX and 0 <= body_bytes <= BODY_BYTES_MAX
        if flags or reserved or not lengths_fit:
            raise IpcError('bad_frame', 'the broker sent bytes that are not a frame')
        return number, Answer(kind, self._exactly(header_bytes), self._exactly(body_bytes))

    def _exactly(self, size: int) -> bytes:
        data = receive(self._socket, size)
        if len(data) < size:
            raise ConnectionResetError('the broker closed the connection')
        return data

    def _beat(self) -> None:
        # In a thread, so that heartbeats are sent while the caller works on a message.
        while not self._closed.wait(HEARTBEAT_S):
            try:
                self.send(PING, 0)
            except OSError:
                return  # the next read reports it


def session_id(secret: bytes) -> str:
    """Messages show the id; the secret, from which it is made, proves the session to the broker."""
    hashed = hashlib.sha256(b'agent-ipc session 1\0' + secret).digest()
    bits = int.from_bytes(hashed[:10], 'big')
    return ''.join(ID_DIGITS[bits >> shift & 31] for shift in range(75, -1, -5))


class Session:
    """A session with the broker, over as many connections as it takes.

    After a failover the next call connects to the new owner. The session still holds its messages if
    it reconnects before they were redelivered to another reader.
    """

    def __init__(self) -> None:
        home = os.environ.get('IPC_HOME') or pathlib.Path.home() / '.agent-ipc'
        self._key_path = pathlib.Path(home, 'key')
        self._port = broker_port()
        self._secret = secrets.token_bytes(16)
        self._posts = 0
        self._held: dict[int, str] = {}  # number to id
        self._link: Link | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, to: str, body: bytes, sender: str = '') -> str:
        """Stores a message and returns its id once it is synced; a resent post is stored once."""
        if len(body) > BODY_BYTES_MAX:
            raise IpcError('body_too_large', f'{len(body)} bytes; the limit is {BODY_BYTES_MAX}')
        names = text('') + text(to) + text(sender) + text('')
        self._posts += 1
        # One post at a time: all before it were answered, or are never resent.
        acknowledged_up_to = self._posts - 1
        numbers = struct.pack('>QQI', self._posts, acknowledged_up_to, zlib.crc32(body))
        header = numbers + names + holds([])

        def store(link: Link) -> str:
            stored = Fields(link.ask(POST, header, body, (STORED,)).header)
            _number = stored.number(8)
            return stored.text()

        return self._ask(store)

    def wait(self, mailbox: str, timeout: float = 60) -> Message | None:
        """Returns the next message of a mailbox, or None after `timeout` seconds without one."""
        if not 0 <= timeout <= WAIT_S_MAX:
            raise IpcError('bad_timeout', f'a timeout is 0 to {WAIT_S_MAX} seconds')
        deadline = time.monotonic() + timeout

        def park(link: Link) -> Message | None:
            ms_left = max(0, round((deadline - time.monotonic()) * 1000))
            header = text(mailbox) + struct.pack('>I', ms_left) + text('')
            answer = link.ask(WAIT, header, b'', (OFFER, END))
            return None if answer.kind == END else offered(answer.header, answer.body)

        message = self._ask(park)
        if message is not None:
            self._held[message.number] = message.id
        return message

    def settle(self, message: Message) -> None:
        """Settles (acknowledges) the message: it is never delivered again."""
        hold = holds([(message.number, message.id)])
        not_held = self._ask(
            lambda link: Fields(link.ask(SETTLE, hold, b'', (SETTLED,)).header).holds()
        )
        self._held.pop(message.number, None)
        if not_held:
            raise IpcError('not_held', f'another reader has message {message.id} by now')

    def close(self) -> None:
        """Ends the session; the broker releases the messages that it still holds."""
        if self._link is not None:
            try:
                self._link.send(GOODBYE, 0)
            except OSError:
                pass  # the broker is gone
            self._drop()

    def _ask(self, request: Callable[[Link], T]) -> T:
        """Runs a request; repeats it on a new connection if one is lost before the response."""
        patience_s = 0
        while True:
            if self._link is None:
                self._link = self._connect(patience_s)
            try:
                return request(self._link)
            except OSError:
                self._drop()
                patience_s = REDIAL_S
            except Refused:
                raise
            except BaseException:
                self._drop()  # broken or interrupted: its responses are not read
                raise

    def _connect(self, patience_s: int) -> Link:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self._say_hello(Link(self._port, read_key(self._key_path)))
            except OSError:
                if time.monotonic() >= deadline:
                    break
            time.sleep(REDIAL_S_PAUSE)
        advice = 'start one with `ipc broker`, or set IPC_PORT to its port'
        if patience_s > 0:
            advice = 'the previous one did not respond, and may have carried out the request'
        raise IpcError('no_broker', f'no broker on {HOST}:{self._port}: {advice}')

    def _say_hello(self, link: Link) -> Link:
        hello = {'protocol': PROTOCOL, 'version': VERSION, 'standby': False}
        hello.update(session=session_id(self._secret), secret=self._secret.hex())
        hello.update(program='ipc.py', pid=os.getpid(), machine=socket.gethostname())
        hello.update(sentUpTo=self._posts)
        try:
            held = holds(self._held.items())
            welcome = link.ask(HELLO, json.dumps(hello).encode(), held, (WELCOME,))
            if json.loads(welcome.header)['protocol'] != PROTOCOL:
                raise IpcError('version_mismatch', 'the broker speaks another protocol')
            for number, _id in Fields(welcome.body).holds():
                self._held.pop(number, None)
        except BaseException:
            link.close()
            raise
        return link

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


# The program


def write(body: bytes) -> None:
    """Writes the exact bytes; on a terminal, control characters are escaped."""
    # Closing this file flushes it: a failed write raises here, before the message is settled.
    with open(sys.stdout.fileno(), 'wb', closefd=False) as stdout:
        stdout.write(shown(body) if stdout.isatty() else body)


def shown(body: bytes) -> bytes:
    def plain(sign: str) -> bool:
        return sign.isprintable() or sign in '\t\n\u200c\u200d'

    signs = (sign if plain(sign) else f'\\u{{{ord(sign):x}}}' for sign in body.decode())
    return ''.join(signs).encode()


def say(words: str) -> None:
    print(f'ipc.py: {words}', file=sys.stderr)


def post(session: Session, options: argparse.Namespace) -> int:
    given = options.text not in (None, '-')
    body = os.fsencode(options.text) if given else sys.stdin.buffer.read()
    say(f'stored {session.post(options.to, body, options.sender)}')
    return 0


def wait(session: Session, options: argparse.Namespace) -> int:
    message = session.wait(options.mailbox, options.timeout)
    if message is None:
        say(f'no message within {options.timeout:g} s')
        return EXIT_TIMED_OUT
    say(f'{message.id} from {json.dumps(message.sender)}, attempt {message.attempt}')
    if message.body is None:
        say('the disk of the broker damaged it: ask its sender for it again')
    else:
        write(message.body)
    try:
        session.settle(message)
    except IpcError as error:
        say(f'it is written, but may be redelivered: {error}')
    return EXIT_FAILED if message.body is None else 0


def parse(argv: list[str]) -> argparse.Namespace:
    about = 'Posts and waits at the agent-ipc broker of this machine.'
    parser = argparse.ArgumentParser(prog='ipc.py', description=about)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    command = commands.add_parser('post', help='store a message in a mailbox')
    command.set_defaults(run=post)
    command.add_argument('to', metavar='TO')
    command.add_argument('text', metavar='TEXT', nargs='?', help='without it, or with -: stdin')
    command.add_argument('--from', dest='sender', metavar='NAME', default='')
    command = commands.add_parser('wait', help='the next message of a mailbox, to stdout')
    command.set_defaults(run=wait)
    command.add_argument('mailbox', metavar='MAILBOX')
    command.add_argument('--timeout', metavar='S', type=float, default=60.0, help='seconds; 60')
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    options = parse(argv)
    try:
        with Session() as session:
            return options.run(session, options)
    except IpcError as error:
        say(f'{error.code}: {error}')
        return EXIT_USAGE if error.code in USAGE_ERRORS else EXIT_FAILED
    except OSError as error:  # of stdin or stdout
        say(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
