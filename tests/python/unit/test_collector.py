"""Objects of the core under Python's cyclic garbage collector."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from cassandra.cluster import ResultSet, Session


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
