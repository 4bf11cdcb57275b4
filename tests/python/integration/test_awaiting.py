"""What is awaited is a future of ``asyncio`` in all that its users ask of one."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cassandra import DriverException
from cassandra.cluster import Session
from cassandra.query import PreparedStatement

PATIENCE = 20
MANY = 50
W1 = "INSERT INTO bench.w1 (k, v) VALUES (?, ?)"
NO_TIME = 0.000_001

Request = Callable[[], Any]


@pytest.fixture
def prepared(canned_session: Session) -> PreparedStatement:
    return canned_session.prepare(W1)


@pytest.fixture
def request_of(canned_session: Session, prepared: PreparedStatement) -> Request:
    """Sends one request that is answered at once."""
    return lambda: canned_session.execute_async(prepared, (1, "text"))


@pytest.fixture
def refused(canned_session: Session, prepared: PreparedStatement) -> Request:
    """Sends one request that fails."""
    return lambda: canned_session.execute_async(prepared, (1, "text"), timeout=NO_TIME)


@pytest.fixture
def answered(canned_session: Session, prepared: PreparedStatement) -> Callable[[], None]:
    """Returns when all that was sent before is answered: answers come in order."""
    return lambda: canned_session.execute(prepared, (1, "text")) and None


@contextmanager
def silent(server: subprocess.Popen[str]) -> Iterator[None]:
    """The server answers nothing meanwhile."""
    server.send_signal(signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)
    try:
        yield
    finally:
        server.send_signal(signal.SIGCONT)


@pytest.fixture(params=[False, True], ids=["", "debug"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[Any]], Any]:
    """``asyncio.run``, also in debug mode."""

    async def bounded(awaitable: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(awaitable, PATIENCE)

    return lambda awaitable: asyncio.run(bounded(awaitable), debug=request.param)


def test_it_is_a_future_to_asyncio(run: Any, request_of: Request) -> None:
    async def main() -> None:
        awaited = request_of().__await__()
        loop = asyncio.get_running_loop()
        assert asyncio.isfuture(awaited)
        assert asyncio.ensure_future(awaited) is awaited
        assert awaited.get_loop() is loop
        assert awaited._loop is loop
        assert iter(awaited) is awaited
        assert awaited.__await__() is awaited
        assert isinstance(type(awaited)[int], types.GenericAlias)
        assert weakref.ref(awaited)() is awaited
        result = await awaited
        assert (awaited.done(), awaited.cancelled(), awaited._state) == (True, False, "FINISHED")
        assert awaited.exception() is None
        assert awaited.result() is result
        assert await awaited is result
        assert awaited.cancel() is False

    run(main())


def test_all_that_asyncio_has_waits_for_it(run: Any, request_of: Request) -> None:
    async def one() -> Any:
        return await request_of()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        results = [await request_of(), *await asyncio.gather(*(request_of() for _ in range(MANY)))]
        results += await asyncio.gather(*(request_of().__await__() for _ in range(MANY)))
        done, pending = await asyncio.wait([asyncio.ensure_future(request_of()) for _ in range(MANY)])
        assert not pending
        results += [task.result() for task in done]
        done, pending = await asyncio.wait([request_of().__await__() for _ in range(MANY)])
        assert not pending
        results += [future.result() for future in done]
        results += [
            await asyncio.wait_for(request_of(), PATIENCE),
            await asyncio.wait_for(request_of().__await__(), PATIENCE),
        ]
        results += [await asyncio.shield(request_of()), await asyncio.shield(request_of().__await__())]
        results += [await result for result in asyncio.as_completed([request_of() for _ in range(MANY)])]
        results += [await result for result in asyncio.as_completed([request_of().__await__() for _ in range(MANY)])]
        results += [await asyncio.create_task(one()), await asyncio.ensure_future(request_of())]
        other = threading.Thread(
            target=lambda: results.append(asyncio.run_coroutine_threadsafe(one(), loop).result(PATIENCE))
        )
        other.start()
        await loop.run_in_executor(None, other.join)
        assert len(results) == 6 * MANY + 8
        assert [result.one() for result in results] == [None] * len(results)

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")
def test_task_groups_and_timeouts_wait_for_it(
    run: Any, request_of: Request, canned: tuple[subprocess.Popen[str], str]
) -> None:
    async def one() -> Any:
        return await request_of()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(MANY)]
        assert [task.result().one() for task in tasks] == [None] * MANY
        async with asyncio.timeout(PATIENCE):
            await request_of()
        with silent(canned[0]), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await request_of()
        await request_of()

    run(main())


def test_a_loop_runs_until_it_is_complete(request_of: Request) -> None:
    loop = asyncio.new_event_loop()
    try:

        async def made() -> Any:
            return request_of().__await__()

        assert loop.run_until_complete(loop.run_until_complete(made())).one() is None
    finally:
        loop.close()


def test_waiting_is_cancelled_at_any_time(
    run: Any, request_of: Request, canned: tuple[subprocess.Popen[str], str]
) -> None:
    async def one() -> Any:
        return await request_of()

    async def main() -> None:
        tasks = [asyncio.create_task(one()) for _ in range(MANY)]
        tasks[0].cancel()
        with silent(canned[0]):
            await asyncio.sleep(0)
            tasks[1].cancel("enough")
            waiting = asyncio.create_task(one())
            await asyncio.sleep(0)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(one(), 0.01)
            awaited = request_of().__await__()
            assert awaited.cancel("never mind")
            assert not awaited.cancel()
            assert awaited.cancelled()
            assert awaited._state == "CANCELLED"
            with pytest.raises(asyncio.CancelledError, match="never mind"):
                awaited.result()
            with pytest.raises(asyncio.CancelledError, match="never mind"):
                awaited.exception()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.gather(awaited)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(end, asyncio.CancelledError) for end in ended] == [True, True] + [False] * (MANY - 2)
        assert (await waiting).one() is None

    run(main())


def test_what_one_coroutine_cancels_may_have_been_answered_together_with_its_own(
    run: Any, canned: tuple[subprocess.Popen[str], str], answered: Callable[[], None], request_of: Request
) -> None:
    async def one() -> str:
        try:
            await request_of()
        except asyncio.CancelledError:
            return "cancelled"
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()
        return "answered"

    async def main() -> None:
        tasks.extend(asyncio.create_task(one()) for _ in range(MANY))
        with silent(canned[0]):
            await asyncio.sleep(0)
        answered()
        assert sorted(await asyncio.gather(*tasks)) == ["answered"] + ["cancelled"] * (MANY - 1)

    tasks: list[asyncio.Task[str]] = []
    run(main())


def test_each_coroutine_goes_on_in_its_own_context(run: Any, request_of: Request) -> None:
    variable = contextvars.ContextVar("variable", default=-1)

    async def one(number: int) -> int:
        variable.set(number)
        await request_of()
        await request_of()
        return variable.get()

    async def main() -> None:
        assert await asyncio.gather(*(one(number) for number in range(MANY))) == list(range(MANY))
        assert variable.get() == -1
        seen: list[int] = []
        called = asyncio.Event()

        def note(_: Any) -> None:
            seen.append(variable.get())
            if len(seen) == 3:
                called.set()

        context = contextvars.copy_context()
        context.run(variable.set, 7)
        awaited = request_of().__await__()
        awaited.add_done_callback(note, context=context)
        awaited.add_done_callback(note)
        variable.set(8)
        await awaited
        awaited.add_done_callback(note)
        await called.wait()
        assert seen == [7, -1, 8]

    run(main())


def test_callbacks_are_removed_by_what_they_are_equal_to(
    run: Any, request_of: Request, canned: tuple[subprocess.Popen[str], str]
) -> None:
    async def main() -> None:
        seen: list[Any] = []
        with silent(canned[0]):
            awaited = request_of().__await__()
            awaited.add_done_callback(seen.append)
            awaited.add_done_callback(print)
            awaited.add_done_callback(seen.append)
        assert [function for function, _ in awaited._callbacks] == [seen.append, print, seen.append]
        assert awaited.remove_done_callback(seen.append) == 2
        assert awaited.remove_done_callback(seen.append) == 0
        assert awaited.remove_done_callback(print) == 1
        assert awaited._callbacks is None
        awaited.add_done_callback(seen.append)
        await awaited
        await asyncio.sleep(0)
        assert seen == [awaited]

    run(main())


def test_an_error_is_one_object_whose_traceback_does_not_grow(run: Any, refused: Request) -> None:
    async def main() -> None:
        future = refused()
        errors: list[BaseException] = []
        lengths: list[int] = []
        awaited = future.__await__()
        for awaitable in (future, future, awaited, awaited, awaited):
            try:
                await awaitable
            except DriverException as error:
                errors.append(error)
                lengths.append(len(traceback.extract_tb(error.__traceback__)))
        assert len(lengths) == 5
        assert all(error is errors[0] for error in errors)
        assert awaited.exception() is errors[0]
        assert max(lengths) <= lengths[0] + 1

    run(main())


def test_an_error_that_nobody_has_asked_for_is_told(run: Any, refused: Request) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        awaited = refused().__await__()
        done, _ = await asyncio.wait([awaited])
        seen = refused().__await__()
        await asyncio.wait([seen])
        assert isinstance(seen.exception(), DriverException)
        assert awaited._log_traceback
        assert not seen._log_traceback
        del awaited, seen
        done.clear()
        gc.collect()
        assert [context["message"] for context in told] == ["Future exception was never retrieved"]
        assert isinstance(told[0]["exception"], DriverException)

    run(main())


def test_an_exception_of_a_callback_is_told_and_the_others_run(run: Any, request_of: Request) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        seen: list[Any] = []

        def fail(_: Any) -> None:
            raise ValueError("of the callback")

        awaited = request_of().__await__()
        awaited.add_done_callback(fail)
        awaited.add_done_callback(seen.append)
        await awaited
        await asyncio.sleep(0)
        assert seen == [awaited]
        assert [str(context["exception"]) for context in told] == ["of the callback"]

    run(main())


def test_coroutines_go_on_when_one_has_ended_the_loop(
    canned: tuple[subprocess.Popen[str], str], answered: Callable[[], None], request_of: Request
) -> None:
    loop = asyncio.new_event_loop()

    async def interrupt() -> None:
        await request_of()
        raise KeyboardInterrupt

    async def one() -> Any:
        return await request_of()

    async def main() -> Any:
        with silent(canned[0]):
            await asyncio.sleep(0)
        answered()
        return await asyncio.gather(*tasks)

    try:
        whole = loop.create_task(main())
        interrupted = loop.create_task(interrupt())
        tasks = [loop.create_task(one()) for _ in range(MANY)]
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(whole)
        assert isinstance(interrupted.exception(), KeyboardInterrupt)
        assert [result.one() for result in loop.run_until_complete(whole)] == [None] * MANY
    finally:
        loop.close()


def test_a_callback_may_run_the_loop_until_another_is_called(
    canned: tuple[subprocess.Popen[str], str], answered: Callable[[], None], request_of: Request
) -> None:
    """As packages do that let a loop be run within itself."""
    loop = asyncio.new_event_loop()
    seen: list[Any] = []

    def nested(awaited: Any) -> None:
        seen.append(awaited)
        while len(seen) < MANY:
            handle = loop._ready.popleft()  # type: ignore[attr-defined]
            # The loop that runs outside has counted its handles.
            loop.call_soon(int)
            handle._run()

    async def main() -> None:
        with silent(canned[0]):
            all_of_them = [request_of().__await__() for _ in range(MANY)]
            for awaited in all_of_them:
                awaited.add_done_callback(nested)
        answered()
        await asyncio.gather(*all_of_them)
        assert seen == all_of_them

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_answers_to_a_loop_that_is_closed_trouble_nobody(
    canned: tuple[subprocess.Popen[str], str], request_of: Request, run: Any
) -> None:
    async def given_up() -> None:
        for _ in range(MANY):
            futures.append(request_of())
            waiting.append(futures[-1].__await__())

    async def later() -> Any:
        return await futures[-1]

    futures: list[Any] = []
    waiting: list[Any] = []
    with silent(canned[0]):
        asyncio.run(given_up())
    assert run(later()).one() is None
    assert [future.result().one() for future in futures] == [None] * MANY


def test_nothing_is_left_to_the_collector(request_of: Request) -> None:
    def alive() -> dict[str, int]:
        kinds = [type(found).__name__ for found in gc.get_objects()]
        return {kind: kinds.count(kind) for kind in ("Awaited", "Context", "Task", "coroutine")}

    async def one() -> None:
        assert (await request_of()).one() is None

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(MANY)))
        gc.collect()
        gc.disable()
        before = alive()
        for _ in range(20):
            for _ in range(MANY):
                await one()
        # The last one is in use.
        assert {kind: count for kind, count in alive().items() if count > before[kind] + 1} == {}

    try:
        asyncio.run(main())
    finally:
        gc.enable()
