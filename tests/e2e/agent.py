"""The program in the pods of the network's tests: it answers connections, and makes those that a test asks for.

Started as `python3 -c THIS CONFIG`, in a pod or in a network namespace beside the cluster. A line of JSON comes in, a
line goes out: attached to a pod, that takes milliseconds and no connection that a policy could be about. It is read as
text and needs nothing but Python.
"""

import asyncio
import contextlib
import errno
import functools
import itertools
import json
import select
import socket
import struct
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any

QUIET_SECONDS = 1.5
"""Of many attempts at once, those without an answer are given up this long after the last one that had one."""

PATIENCE_SECONDS = 0.5
"""Attempts that are repeated all the time are given up after this."""

PATIENT_SECONDS = 60.0
"""What is to be answered is given up after this."""

WATCH_SECONDS = 0.1
SWEEP_SECONDS = 0.2
RESEND_SECONDS = 0.3
ANYWHERE = "0.0.0.0"  # noqa: S104 - an agent is there to be reached
OWN_PORTS = range(20000, 30000)
SCTP_INIT, SCTP_INIT_ACK = 1, 2

Target = Sequence[Any]
"""TCP, UDP, SCTP, or SYN (TCP, where nobody says a name); own address (empty for any); address; port."""


class Answerer(asyncio.DatagramProtocol):
    """Answers each datagram with a name."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(self.name, addr)


class Asker(asyncio.DatagramProtocol):
    """Waits for the answer to a datagram."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(data)


class Associations:
    """SCTP's first two packets, with a name in the second, made by hand: few kernels have SCTP, and gVisor has none.

    Netfilter judges them as it does any SCTP.
    """

    def __init__(self, address: str, name: str, ports: Sequence[int]) -> None:
        self.name, self.ports = name.encode(), ports
        self.asked: dict[int, asyncio.Future[str]] = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
        self.socket.setblocking(False)
        self.socket.bind((address, 0))
        asyncio.get_running_loop().add_reader(self.socket, self._receive)

    async def ask(self, own_port: int, address: str, port: int) -> str:
        answer = self.asked[own_port] = asyncio.get_running_loop().create_future()
        try:
            while True:
                self.socket.sendto(build_sctp(own_port, port, SCTP_INIT, b""), (address, 0))
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(answer), RESEND_SECONDS)
        finally:
            del self.asked[own_port]

    def _receive(self) -> None:
        packet, (sender, _) = self.socket.recvfrom(2048)
        body = packet[(packet[0] & 15) * 4 :]
        source, dest, kind = *struct.unpack_from(">HH", body), body[12]
        if kind == SCTP_INIT and dest in self.ports:
            self.socket.sendto(build_sctp(dest, source, SCTP_INIT_ACK, self.name), (sender, 0))
        elif kind == SCTP_INIT_ACK and dest in self.asked and not self.asked[dest].done():
            self.asked[dest].set_result(body[32:].rstrip(b"\0").decode())


def build_sctp(source: int, dest: int, kind: int, text: bytes) -> bytes:
    """A packet of one chunk, INIT or INIT ACK (RFC 9260, 3.3.2), with a text where its parameters would be."""
    value = struct.pack(">IIHHI", 1, 0xFFFF, 1, 1, 1) + text
    chunk = struct.pack(">BBH", kind, 0, 4 + len(value)) + value + b"\0" * (-len(value) % 4)
    ports, tag = struct.pack(">HH", source, dest), struct.pack(">I", 0 if kind == SCTP_INIT else 1)
    checksum = struct.pack("<I", crc32c(ports + tag + bytes(4) + chunk))
    return ports + tag + checksum + chunk


def crc32c(data: bytes) -> int:
    """Netfilter drops SCTP packets whose checksum is wrong."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Agent:
    """The requests are its public methods.

    Attributes:
        names: what it answers with, by the address that it listens on.
    """

    def __init__(self, names: dict[str, str], tcp: Sequence[int], udp: Sequence[int], sctp: Sequence[int] = ()) -> None:
        self.names, self.tcp, self.udp, self.sctp = names, tcp, udp, sctp
        self.associations: dict[str, Associations] = {}
        self.callers: set[tuple[str, str]] = set()
        self.seen: list[tuple[int, float, float, str]] = []
        self.swept: set[tuple[str, str]] = set()
        self.held: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self.background: set[asyncio.Task[None]] = set()
        # Never the same again: conntrack lets a datagram pass if one with the same ports could pass shortly before.
        self.own_ports = itertools.cycle(OWN_PORTS)

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for address, name in self.names.items():
            for port in self.tcp:
                await asyncio.start_server(functools.partial(self._answer, name), address, port, backlog=1000)
            for port in self.udp:
                await loop.create_datagram_endpoint(functools.partial(Answerer, name), local_addr=(address, port))
            if self.sctp:
                self.associations[address] = Associations(address, name, self.sctp)

    async def hello(self) -> bool:
        """An answer means that it listens."""
        return True

    async def probe(self, targets: Sequence[Target]) -> list[str]:
        """Tries all at once. For each: the name at the other end, "" for silence, otherwise the error."""
        tasks = [asyncio.create_task(self._try(*target)) for target in targets]
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=QUIET_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return ["" if task in pending else task.result() for task in tasks]

    async def watch(self, targets: Sequence[Target]) -> None:
        """Tries each of them again and again until told to stop."""
        self.seen = []
        self._run(self._watch(targets))

    async def look(self) -> list[tuple[int, float, float, str]]:
        """What came of it so far: which target, when the attempt began and ended (by the clock), and how."""
        return self.seen

    async def sweep(self, sources: Sequence[str], addresses: Sequence[str], port: int) -> None:
        """Sends SYNs from each source (empty for any) to each address again and again, until told to stop.

        Any answer, also that nobody listens, shows that one came through.
        """
        self.swept = set()
        for source in sources:
            self._run(self._sweep(source, addresses, port))

    async def stop(self) -> list[tuple[str, str]]:
        """Ends `watch` and `sweep`; the sources and addresses of the SYNs that came through."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        self.background.clear()
        return sorted(self.swept)

    async def heard(self) -> list[tuple[str, str]]:
        """The connections since it was last asked: the name that was called, the address that called."""
        callers, self.callers = self.callers, set()
        return sorted(callers)

    async def hold(self, key: str, address: str, port: int) -> str:
        """Opens a connection and keeps it; the name at the other end."""
        self.held[key] = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENT_SECONDS)
        return (await self.held[key][0].readline()).decode().strip()

    async def say(self, key: str, text: str) -> str:
        """Sends something over a connection that is kept, and returns what comes back; "" for silence."""
        reader, writer = self.held[key]
        writer.write(text.encode() + b"\n")
        with contextlib.suppress(TimeoutError):
            return (await asyncio.wait_for(reader.readline(), PATIENT_SECONDS)).decode().strip()
        return ""

    async def _answer(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.add((name, writer.get_extra_info("peername")[0]))
        with contextlib.suppress(OSError):  # whoever connected may be gone
            writer.write(name.encode() + b"\n")
            while line := await reader.readline():
                writer.write(line)
            writer.close()

    async def _try(self, protocol: str, source: str, address: str, port: int) -> str:
        try:
            if protocol == "UDP":
                return await self._try_udp(source, address, port)
            if protocol == "SCTP":
                return await self.associations[source or ANYWHERE].ask(next(self.own_ports), address, port)
            return await self._try_tcp(source, address, port, listen=protocol == "TCP")
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))

    async def _try_tcp(self, source: str, address: str, port: int, *, listen: bool) -> str:
        own = (source, 0) if source else None
        reader, writer = await asyncio.open_connection(address, port, local_addr=own)
        try:
            return (await reader.readline()).decode().strip() if listen else "connected"
        finally:
            writer.close()

    async def _try_udp(self, source: str, address: str, port: int) -> str:
        own = (source or ANYWHERE, next(self.own_ports))
        transport, asker = await asyncio.get_running_loop().create_datagram_endpoint(
            Asker, remote_addr=(address, port), local_addr=own
        )
        try:
            while True:
                transport.sendto(b"?")
                with contextlib.suppress(TimeoutError):
                    return (await asyncio.wait_for(asyncio.shield(asker.answer), RESEND_SECONDS)).decode()
        finally:
            transport.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.background.add(asyncio.create_task(work))

    async def _watch(self, targets: Sequence[Target]) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for index, target in enumerate(targets):
                    group.create_task(self._note(index, target))
                await asyncio.sleep(WATCH_SECONDS)

    async def _note(self, index: int, target: Target) -> None:
        began, answer = time.time(), ""
        with contextlib.suppress(TimeoutError):
            answer = await asyncio.wait_for(self._try(*target), PATIENCE_SECONDS)
        self.seen.append((index, began, time.time(), answer))

    async def _sweep(self, source: str, addresses: Sequence[str], port: int) -> None:
        waiting: dict[int, tuple[socket.socket, str, float]] = {}
        poll = select.poll()
        while True:
            for address in addresses:
                one = socket.socket()
                one.setblocking(False)
                one.bind((source, 0))
                one.connect_ex((address, port))
                waiting[one.fileno()] = (one, address, time.monotonic())
                poll.register(one, select.POLLOUT)
            await asyncio.sleep(SWEEP_SECONDS)
            ended = {number for number, _ in poll.poll(0)}
            for number, (one, address, began) in list(waiting.items()):
                if number in ended and one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNREFUSED):
                    self.swept.add((source, address))
                if number in ended or time.monotonic() - began > PATIENCE_SECONDS:
                    poll.unregister(one)
                    one.close()
                    del waiting[number]


async def serve(config: dict[str, Any]) -> None:
    agent = Agent(**config)
    await agent.listen()
    requests = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(
        functools.partial(asyncio.StreamReaderProtocol, requests), sys.stdin
    )
    while line := await requests.readline():
        request = json.loads(line)
        answer = await getattr(agent, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
