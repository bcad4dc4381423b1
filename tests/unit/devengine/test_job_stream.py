"""A stream's queue: bounded by octets, in order, and what was not written can be given back."""

import asyncio

from connector.devengine.commands import ActivatedJob
from connector.devengine.job_stream import JobStream


def job(key: int, size: int = 10) -> ActivatedJob:
    return ActivatedJob(key, "mail", 1, "p", 1, 2, "send", 3, {}, "w", 3, 0.0, {"text": "x" * size})


def encode(one: ActivatedJob) -> bytes:
    return str(one.variables["text"]).encode()


class Reader:
    """Takes what is written while it reads."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.got: list[int] = []

    async def write(self, message: bytes) -> None:
        await self.reads.wait()
        self.got.append(len(message))


async def test_jobs_are_written_in_order() -> None:
    stream, reader = JobStream(encode), Reader()
    reader.reads.set()
    running = asyncio.create_task(stream.run(reader.write))
    for size in (1, 2, 3):
        assert stream.push(job(size, size))
        await asyncio.sleep(0)
    stream.end()
    await running
    assert reader.got == [1, 2, 3]
    assert stream.unwritten() == []


async def test_a_client_that_does_not_read_gets_nothing_more() -> None:
    stream, reader = JobStream(encode), Reader()
    running = asyncio.create_task(stream.run(reader.write))
    taken = [stream.push(job(key, 10_000)) for key in range(5)]
    assert taken == [True, True, True, False, False]
    reader.reads.set()
    async with asyncio.timeout(10):
        while stream.unwritten():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    assert stream.push(job(9, 10_000))
    running.cancel()
    await asyncio.wait({running})


async def test_a_job_larger_than_the_room_passes_alone() -> None:
    stream = JobStream(encode)
    assert stream.push(job(1, 100_000))
    assert not stream.push(job(2, 1))


async def test_what_was_not_written_is_known_when_the_client_goes() -> None:
    stream, reader = JobStream(encode), Reader()
    running = asyncio.create_task(stream.run(reader.write))
    for key in (1, 2):
        stream.push(job(key))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running})
    assert [one.key for one in stream.unwritten()] == [1, 2], "the one that was being written as well"


async def test_a_stream_that_has_ended_takes_nothing() -> None:
    stream = JobStream(encode)
    stream.end()
    assert not stream.push(job(1))
