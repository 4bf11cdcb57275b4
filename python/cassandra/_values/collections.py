"""Collections for CQL sets and maps, whose elements and keys may be unhashable in Python (nested collections, UDTs)."""

from __future__ import annotations

import pickle
from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cassandra.cqltypes import CassandraTypeType

K = TypeVar("K")
V = TypeVar("V")


class SortedSet:
    """A set of elements kept in order, which need not be hashable.

    It has the operators of ``set`` and reading access by index. Elements that cannot be compared with each other are
    kept unique by equality, each kind in an order of its own.
    """

    __module__ = "cassandra.util"
    __hash__ = None  # type: ignore[assignment]  # mutable

    def __init__(self, iterable: Iterable[Any] = ()) -> None:
        self._items: list[Any] = []
        self.update(iterable)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: Any) -> Any:
        return self._items[i]

    def __delitem__(self, i: Any) -> None:
        del self._items[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Any]:
        return iter(self._items[::-1])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"

    def __reduce__(self) -> tuple[type[SortedSet], tuple[list[Any]]]:
        return type(self), (self._items,)

    def __contains__(self, item: object) -> bool:
        return self._find(item)[1]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SortedSet):
            return self._items == other._items
        try:
            return len(other) == len(self._items) and all(item in self for item in other)  # type: ignore
        except TypeError:
            return NotImplemented

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __le__(self, other: Any) -> bool:
        return self.issubset(other)

    def __lt__(self, other: Any) -> bool:
        return len(other) > len(self._items) and self.issubset(other)

    def __ge__(self, other: Any) -> bool:
        return self.issuperset(other)

    def __gt__(self, other: Any) -> bool:
        return len(self._items) > len(other) and self.issuperset(other)

    def __and__(self, other: Iterable[Any]) -> SortedSet:
        return self.intersection(other)

    __rand__ = __and__

    def __iand__(self, other: Iterable[Any]) -> SortedSet:
        self._items = self.intersection(other)._items
        return self

    def __or__(self, other: Iterable[Any]) -> SortedSet:
        return self.union(other)

    __ror__ = __or__

    def __ior__(self, other: Iterable[Any]) -> SortedSet:
        self.update(other)
        return self

    def __sub__(self, other: Iterable[Any]) -> SortedSet:
        return self.difference(other)

    def __rsub__(self, other: Iterable[Any]) -> SortedSet:
        return SortedSet(other).difference(self)

    def __isub__(self, other: Iterable[Any]) -> SortedSet:
        self._items = self.difference(other)._items
        return self

    def __xor__(self, other: Iterable[Any]) -> SortedSet:
        return self.symmetric_difference(other)

    __rxor__ = __xor__

    def __ixor__(self, other: Iterable[Any]) -> SortedSet:
        self._items = self.symmetric_difference(other)._items
        return self

    def add(self, item: Any) -> None:
        """Put *item* at its place; nothing happens when it is there already."""
        index, found = self._find(item)
        if not found:
            self._items.insert(index, item)

    def update(self, iterable: Iterable[Any]) -> None:
        """Add all of *iterable*."""
        for item in iterable:
            self.add(item)

    def clear(self) -> None:
        """Remove everything."""
        self._items.clear()

    def copy(self) -> SortedSet:
        """Give a new set with the same elements."""
        new = SortedSet()
        new._items = list(self._items)
        return new

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Tell whether no element of *other* is in this set."""
        return not any(item in self for item in other)

    def issubset(self, other: Any) -> bool:
        """Tell whether all elements are in *other*."""
        return len(self._items) <= len(other) and all(item in other for item in self._items)

    def issuperset(self, other: Any) -> bool:
        """Tell whether all elements of *other* are in this set."""
        return len(self._items) >= len(other) and all(item in self for item in other)

    def pop(self) -> Any:
        """Take the last element.

        :raises KeyError: there is none.
        """
        if not self._items:
            raise KeyError("pop from empty set")
        return self._items.pop()

    def remove(self, item: Any) -> None:
        """Remove *item*.

        :raises KeyError: it is not there.
        """
        index, found = self._find(item)
        if not found:
            raise KeyError(str(item))
        del self._items[index]

    def union(self, *others: Iterable[Any]) -> SortedSet:
        """Give the elements of this set and all *others*."""
        new = self.copy()
        for other in others:
            new.update(other)
        return new

    def intersection(self, *others: Iterable[Any]) -> SortedSet:
        """Give the elements that are in all *others* too."""
        return self._keep(True, others)

    def difference(self, *others: Iterable[Any]) -> SortedSet:
        """Give the elements that are in none of *others*."""
        return self._keep(False, others)

    def symmetric_difference(self, other: Iterable[Any]) -> SortedSet:
        """Give the elements that are either here or in *other*."""
        counterpart = _searchable(other)
        return self.difference(counterpart).union(item for item in counterpart if item not in self)

    def _keep(self, wanted: bool, others: Iterable[Iterable[Any]]) -> SortedSet:
        new = SortedSet()
        items = self._items
        for other in others:
            counterpart = _searchable(other)
            items = [item for item in items if (item in counterpart) is wanted]
        new._items = list(items)
        return new

    def _find(self, item: Any) -> tuple[int, bool]:
        """Give the index at which *item* is, or belongs, and whether it is there."""
        items = self._items
        try:
            index = bisect_left(items, item)
        except TypeError:
            return self._find_by_equality(item)
        if index < len(items) and items[index] == item:
            return index, True
        if isinstance(item, (set, frozenset, SortedSet)):
            # "<" means "is a subset of" there: no total order, so bisection may have passed by.
            for other_index, other in enumerate(items):
                if other == item:
                    return other_index, True
        return index, False

    def _find_by_equality(self, item: Any) -> tuple[int, bool]:
        place = None
        comparable = False
        for index, other in enumerate(self._items):
            if other == item:
                return index, True
            if place is not None:
                continue
            try:
                if item < other:
                    place = index
                comparable = True
            except TypeError:
                if comparable:
                    place = index
        return (len(self._items) if place is None else place), False


def _searchable(iterable: Iterable[Any]) -> Any:
    """Give *iterable* itself if it can be searched more than once, else a set of its elements."""
    if isinstance(iterable, (SortedSet, set, frozenset, list, tuple)):
        return SortedSet(iterable) if isinstance(iterable, (list, tuple)) else _Tolerant(iterable)
    return SortedSet(iterable)


class _Tolerant:
    """A set in which unhashable elements can be looked for: they are not there."""

    def __init__(self, items: SortedSet | set[Any] | frozenset[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __contains__(self, item: object) -> bool:
        try:
            return item in self._items
        except TypeError:
            return any(item == other for other in self._items)


sortedset = SortedSet


class OrderedMap(Mapping[K, V]):
    """A mapping in the order of insertion, whose keys need not be hashable.

    Keys are found by their serialized form, so two equal keys of different types are two keys. Made from what ``dict``
    is made from. Only ``[]`` assignment and deletion change it.
    """

    __module__ = "cassandra.util"
    __hash__ = None  # type: ignore[assignment]  # mutable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """:raises TypeError: more than one positional argument, or one that is neither a mapping nor pairs."""
        if len(args) > 1:
            raise TypeError(f"expected at most 1 arguments, got {len(args)}")
        self._items: list[tuple[K, V]] = []
        self._index: dict[bytes, int] = {}
        if args:
            source = args[0]
            for key, value in source.items() if isinstance(source, Mapping) else source:
                self._insert(key, value)
        for name, value in kwargs.items():
            self._insert(name, value)

    def _serialize_key(self, key: Any) -> bytes:
        return pickle.dumps(key)

    def _insert(self, key: Any, value: Any) -> None:
        flat_key = self._serialize_key(key)
        place = self._index.get(flat_key)
        if place is None:
            self._insert_unchecked(key, flat_key, value)
        else:
            self._items[place] = (key, value)

    def _insert_unchecked(self, key: Any, flat_key: bytes, value: Any) -> None:
        """Append *value* under *key*, which is not there yet and whose serialized form the caller knows."""
        self._index[flat_key] = len(self._items)
        self._items.append((key, value))

    def __getitem__(self, key: K) -> V:
        try:
            return self._items[self._index[self._serialize_key(key)]][1]
        except KeyError:
            raise KeyError(str(key)) from None

    def __setitem__(self, key: K, value: V) -> None:
        self._insert(key, value)

    def __delitem__(self, key: K) -> None:
        try:
            place = self._index.pop(self._serialize_key(key))
        except KeyError:
            raise KeyError(str(key)) from None
        del self._items[place]
        self._index = {flat: at - (at > place) for flat, at in self._index.items()}

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, OrderedMap):
            return self._items == other._items
        try:
            return len(self._items) == len(other) and all(  # type: ignore[arg-type]
                other[key] == value  # type: ignore[index]
                for key, value in self._items
            )
        except (KeyError, IndexError, TypeError):
            return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(repr(item) for item in self._items)}])"

    def __str__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {value!r}' for key, value in self._items)}}}"

    def items(self) -> ItemsView[K, V]:
        """Give the pairs in order, without looking each key up again."""
        return _Items(self)

    def popitem(self) -> tuple[K, V]:
        """Take the last pair.

        :raises KeyError: there is none.
        """
        if not self._items:
            raise KeyError("popitem(): map is empty")
        key, value = self._items.pop()
        self._index = {flat: at for flat, at in self._index.items() if at < len(self._items)}
        return key, value


class _Items(ItemsView[K, V]):
    """The pairs of a map as they are stored."""

    _mapping: OrderedMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self._mapping._items)


class OrderedMapSerializedKey(OrderedMap[K, V]):
    """The :class:`OrderedMap` of a decoded CQL map: keys are found by their bytes on the wire."""

    __module__ = "cassandra.util"

    def __init__(self, cass_type: CassandraTypeType, protocol_version: int) -> None:
        super().__init__()
        self.cass_key_type = cass_type
        self.protocol_version = protocol_version

    def _serialize_key(self, key: Any) -> bytes:
        flat: bytes = self.cass_key_type.serialize(key, self.protocol_version)
        return flat

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedMap, (self._items,)
