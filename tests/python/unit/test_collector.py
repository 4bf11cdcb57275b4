"""Objects of the core under Python's cyclic garbage collector."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from cassandra import _core
from cassandra.cluster import ResultSet, Session
from cassandra.query import tuple_factory


@pytest.fixture
def eager_collector() -> Iterator[None]:
    """The collector runs at every allocation that it watches."""
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("eager_collector")
def test_objects_survive_a_collection_while_they_are_being_made() -> None:
    # Kept, so that each needs a dictionary of its own: making one starts the collector.
    results = [ResultSet(None, [1]) for _ in range(500)]  # type: ignore[arg-type]
    sessions = [Session.__new__(Session) for _ in range(500)]
    assert all(result.one() == 1 for result in results)
    assert all(isinstance(session, Session) for session in sessions)


def test_a_result_that_leads_back_to_itself_is_collected() -> None:
    class Witness:
        pass

    result = ResultSet(None, [1])  # type: ignore[arg-type]
    witness = Witness()
    gone = weakref.ref(witness)
    result.itself = (result, witness)  # type: ignore[attr-defined]
    del result, witness
    gc.collect()
    assert gone() is None


VECTOR = "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.Int32Type, 2)"
ROWS = 2_000


def page(class_name: str, cell: bytes) -> list[tuple[Any, ...]]:
    content = (len(cell).to_bytes(4, "big") + cell) * ROWS
    rows: list[tuple[Any, ...]] = _core.decode_rows([("c", class_name)], content, ROWS, tuple_factory, 4)
    return rows


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_while_a_page_is_made_and_is_as_before_afterwards(enabled: bool) -> None:
    runs: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        runs.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    try:
        if not enabled:
            gc.disable()
        page("ListType(Int32Type)", bytes(4))
        during = len(runs)
        assert gc.isenabled() is enabled
        with pytest.raises(Exception, match=r"."):
            page("UTF8Type", b"\xff")
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
        gc.callbacks.remove(note)
    assert during == 0


def test_what_cannot_be_part_of_a_cycle_is_not_tracked() -> None:
    rows = page(VECTOR, bytes(8))
    assert rows[0] == ([0, 0],)
    assert not gc.is_tracked(rows[0])
    assert not gc.is_tracked(rows[0][0])
    lists = page("ListType(Int32Type)", bytes(4))
    assert gc.is_tracked(lists[0])
    assert gc.is_tracked(lists[0][0])
