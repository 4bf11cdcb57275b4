"""Reading the schema again: the part of ``Cluster`` that is about metadata."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cassandra import DriverException

if TYPE_CHECKING:
    from cassandra import UserAggregateDescriptor, UserFunctionDescriptor, _core


class SchemaRefresh:
    """What ``Cluster`` does about the schema; see ``Cluster.metadata``."""

    _core: _core.ClusterCore | None
    max_schema_agreement_wait: float
    _schema_metadata_enabled: bool
    _token_metadata_enabled: bool

    @property
    def schema_metadata_enabled(self) -> bool:
        """Whether the schema is read at the start and after changes. Setting it acts from the next change on."""
        return self._schema_metadata_enabled

    @schema_metadata_enabled.setter
    def schema_metadata_enabled(self, enabled: bool) -> None:
        self._schema_metadata_enabled = bool(enabled)
        self._set_metadata()

    @property
    def token_metadata_enabled(self) -> bool:
        """Whether it is known which nodes have the replicas of a partition."""
        return self._token_metadata_enabled

    @token_metadata_enabled.setter
    def token_metadata_enabled(self, enabled: bool) -> None:
        self._token_metadata_enabled = bool(enabled)
        self._set_metadata()

    def set_meta_refresh_enabled(self, enabled: bool) -> None:
        """Set :attr:`schema_metadata_enabled` and :attr:`token_metadata_enabled`, which are to be used instead."""
        warnings.warn(
            "Cluster.set_meta_refresh_enabled is deprecated, set schema_metadata_enabled and token_metadata_enabled",
            DeprecationWarning,
            stacklevel=2,
        )
        self.schema_metadata_enabled = enabled
        self.token_metadata_enabled = enabled

    def refresh_schema_metadata(self, max_schema_agreement_wait: float | None = None) -> None:
        """Read the whole schema again, also if it is switched off.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait)

    def refresh_keyspace_metadata(self, keyspace: str, max_schema_agreement_wait: float | None = None) -> None:
        """Read a keyspace and all that is in it again.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait, keyspace)

    def refresh_table_metadata(self, keyspace: str, table: str, max_schema_agreement_wait: float | None = None) -> None:
        """Read a table again, with its indexes and triggers.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait, keyspace, "table", table)

    def refresh_materialized_view_metadata(
        self, keyspace: str, view: str, max_schema_agreement_wait: float | None = None
    ) -> None:
        """Read a materialized view again.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait, keyspace, "table", view)

    def refresh_user_type_metadata(
        self, keyspace: str, user_type: str, max_schema_agreement_wait: float | None = None
    ) -> None:
        """Read a user-defined type again.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait, keyspace, "type", user_type)

    def refresh_user_function_metadata(
        self, keyspace: str, function: UserFunctionDescriptor, max_schema_agreement_wait: float | None = None
    ) -> None:
        """Read a function again, with all of its name.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait, keyspace, "function", function.name)

    def refresh_user_aggregate_metadata(
        self, keyspace: str, aggregate: UserAggregateDescriptor, max_schema_agreement_wait: float | None = None
    ) -> None:
        """Read an aggregate again, with all of its name.

        :param max_schema_agreement_wait: seconds to wait before until all nodes have the same schema; 0: not at all,
            ``None`` waits for ``Cluster.max_schema_agreement_wait``.
        :raises DriverException: they have not by then, or no node could be asked.
        """
        self._refresh(max_schema_agreement_wait, keyspace, "aggregate", aggregate.name)

    def _set_metadata(self) -> None:
        core: Any = getattr(self, "_core", None)
        if core is not None:
            core.set_metadata(self._schema_metadata_enabled, self._token_metadata_enabled)

    def _refresh(
        self, wait: float | None, keyspace: str | None = None, kind: str | None = None, name: str | None = None
    ) -> None:
        if self._core is None:
            raise DriverException("Schema metadata was not refreshed. See log for details.")
        seconds = self.max_schema_agreement_wait if wait is None else wait
        if seconds > 0 and not self._core.wait_for_schema_agreement(seconds):
            raise DriverException(f"Schema metadata was not refreshed: nodes do not agree after {seconds} seconds")
        self._core.refresh_schema(keyspace, kind, name)
