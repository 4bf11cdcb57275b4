"""Many requests at once, with a bound on how many are under way.

For sessions as they come the requests are run by native code, which enters the interpreter once for a batch of
answers. Where somebody has put a function of their own in the place of ``Session.execute_async`` (tracers do), every
request goes through that.
"""

from __future__ import annotations

import logging
from collections import namedtuple
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import cycle
from threading import Condition
from typing import Any

from cassandra import _core
from cassandra.cluster import EXEC_PROFILE_DEFAULT as EXEC_PROFILE_DEFAULT
from cassandra.cluster import ResultSet as ResultSet

log = logging.getLogger(__name__)

ExecutionResult = namedtuple("ExecutionResult", ["success", "result_or_exc"])
"""What became of one request: whether it succeeded, and its :class:`ResultSet` or its exception."""


def execute_concurrent(
    session: Any,
    statements_and_parameters: Iterable[tuple[Any, Any]],
    concurrency: int = 100,
    raise_on_first_error: bool = True,
    results_generator: bool = False,
    execution_profile: Any = EXEC_PROFILE_DEFAULT,
) -> Any:
    """Run statements, each with its parameters, and give their :class:`ExecutionResult` in the same order.

    :param concurrency: how many are under way at most.
    :param raise_on_first_error: raise the first exception; otherwise it is the result of its statement.
    :param results_generator: give a generator, which lets no more results than necessary wait to be taken.
    :raises ValueError: *concurrency* is not positive.
    """
    if concurrency <= 0:
        raise ValueError("concurrency must be greater than 0")
    if not statements_and_parameters:
        return []
    kind = ConcurrentExecutorGenResults if results_generator else ConcurrentExecutorListResults
    return kind(session, statements_and_parameters, execution_profile).execute(concurrency, raise_on_first_error)


def execute_concurrent_with_args(
    session: Any, statement: Any, parameters: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Run *statement* with each item of *parameters*; further arguments are those of :func:`execute_concurrent`."""
    return execute_concurrent(session, zip(cycle((statement,)), parameters), *args, **kwargs)


def execute_concurrent_async(
    session: Any,
    statements_and_parameters: Iterable[tuple[Any, Any]],
    concurrency: int = 100,
    raise_on_first_error: bool = False,
    execution_profile: Any = EXEC_PROFILE_DEFAULT,
) -> Future[Any]:
    """As :func:`execute_concurrent`, without waiting: the results come as a ``concurrent.futures.Future``."""
    if concurrency <= 0:
        raise ValueError("concurrency must be greater than 0")
    future: Future[Any] = Future()
    ConcurrentExecutorFutureResults(session, statements_and_parameters, execution_profile, future).execute(
        concurrency, raise_on_first_error
    )
    return future


class _ConcurrentExecutor:
    """Keeps requests under way through ``execute_async`` and gathers what becomes of them, by number."""

    def __init__(self, session: Any, statements_and_params: Iterable[tuple[Any, Any]], execution_profile: Any) -> None:
        self.session = session
        self._statements = statements_and_params
        self._numbered: Iterator[tuple[int, tuple[Any, Any]]] | None = None
        self._execution_profile = execution_profile
        self._condition = Condition()
        self._results: dict[int, ExecutionResult] = {}
        self._started = 0
        self._in_flight = 0
        self._exhausted = False
        self._starting = False
        self._fail_fast = False
        self._error: BaseException | None = None

    def _native(self, concurrency: int, fail_fast: bool) -> _core.ConcurrentResults | None:
        """The same work done by native code, if nothing stands in its way."""
        return _core.execute_concurrent(
            self.session, self._statements, concurrency, fail_fast, self._execution_profile, ExecutionResult
        )

    def _fill(self, concurrency: int) -> None:
        """Start requests until *concurrency* are under way or none is left.

        A request may finish while it is started, and its callback come here again: the outermost call goes on.
        """
        with self._condition:
            if self._starting:
                return
            self._starting = True
            if self._numbered is None:
                self._numbered = enumerate(self._statements)
            numbered = self._numbered
        try:
            while True:
                with self._condition:
                    if self._exhausted or self._in_flight >= concurrency or (self._fail_fast and self._error):
                        self._starting = False
                        return
                    item = next(numbered, None)
                    if item is None:
                        self._exhausted = True
                        self._starting = False
                        self._condition.notify_all()
                        break
                    self._started += 1
                    self._in_flight += 1
                self._start(*item, concurrency)
        except BaseException:
            self._starting = False
            raise
        self._finished_one()

    def _start(self, number: int, pair: tuple[Any, Any], concurrency: int) -> None:
        statement, parameters = pair
        try:
            future = self.session.execute_async(statement, parameters, execution_profile=self._execution_profile)
            future.add_callbacks(
                callback=self._succeeded,
                callback_args=(future, number, concurrency),
                errback=self._failed,
                errback_args=(number, concurrency),
            )
        except Exception as error:
            self._failed(error, number, concurrency)

    def _succeeded(self, rows: Any, future: Any, number: int, concurrency: int) -> None:
        self._put(number, ExecutionResult(True, ResultSet(future, rows)), concurrency)

    def _failed(self, error: BaseException, number: int, concurrency: int) -> None:
        with self._condition:
            if self._error is None:
                self._error = error
        self._put(number, ExecutionResult(False, error), concurrency)

    def _put(self, number: int, result: ExecutionResult, concurrency: int) -> None:
        with self._condition:
            self._results[number] = result
            self._in_flight -= 1
            self._condition.notify_all()
        self._fill(concurrency)
        self._finished_one()

    def _finished_one(self) -> None:
        """A request has finished, or there is none left to start."""

    def _is_done(self) -> bool:
        return self._exhausted and self._in_flight == 0


class ConcurrentExecutorListResults(_ConcurrentExecutor):
    """Gives the results as a list, all at once."""

    def execute(self, concurrency: int, fail_fast: bool) -> Any:
        """Run everything and wait for it.

        :raises Exception: *fail_fast* is set, and a request failed.
        """
        native = self._native(concurrency, fail_fast)
        if native is not None:
            return native.collect()
        self._fail_fast = fail_fast
        self._fill(concurrency)
        with self._condition:
            while not (self._is_done() or (fail_fast and self._error)):
                self._condition.wait()
        if fail_fast and self._error is not None:
            raise self._error
        return [self._results[number] for number in range(self._started)]


class ConcurrentExecutorGenResults(_ConcurrentExecutor):
    """Gives the results one by one, as they are taken."""

    def execute(self, concurrency: int, fail_fast: bool) -> Iterator[ExecutionResult]:
        """Run everything while the results are taken."""
        native = self._native(concurrency, fail_fast)
        if native is not None:
            yield from native
            return
        self._fail_fast = False
        self._fill(concurrency)
        number = 0
        while True:
            with self._condition:
                while number not in self._results and not (self._is_done() and number >= self._started):
                    self._condition.wait()
                if number not in self._results:
                    return
                result = self._results.pop(number)
            if fail_fast and not result.success:
                raise result.result_or_exc
            yield result
            number += 1


class ConcurrentExecutorFutureResults(ConcurrentExecutorListResults):
    """Gives the results as a list, to a future."""

    def __init__(
        self,
        session: Any,
        statements_and_params: Iterable[tuple[Any, Any]],
        execution_profile: Any,
        future: Future[Any],
    ) -> None:
        super().__init__(session, statements_and_params, execution_profile)
        self.future = future
        self._told = False

    def execute(self, concurrency: int, fail_fast: bool) -> None:
        """Start, and leave the rest to callbacks."""
        self._fail_fast = fail_fast
        self._fill(concurrency)

    def _finished_one(self) -> None:
        with self._condition:
            failed = self._fail_fast and self._error is not None
            if self._told or not (failed or self._is_done()):
                return
            self._told = True
            results = [] if failed else [self._results[number] for number in range(self._started)]
        if failed:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(results)
