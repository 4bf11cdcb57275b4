"""Policies: which nodes take a request, and what is done about failures.

The classes are in ``cassandra._policies``, one kind of policy to a module; this is the public address of all of them.
Users subclass the bases. An instance of exactly one of the classes here is run by its twin in the core; of a subclass,
the methods are called: query plans on the caller's thread, everything else on a helper thread.
"""

from __future__ import annotations

import logging

from cassandra import ConsistencyLevel as ConsistencyLevel
from cassandra import OperationTimedOut as OperationTimedOut
from cassandra import WriteType as WriteType
from cassandra._policies.addresses import AddressTranslator as AddressTranslator
from cassandra._policies.addresses import EC2MultiRegionTranslator as EC2MultiRegionTranslator
from cassandra._policies.addresses import IdentityTranslator as IdentityTranslator
from cassandra._policies.connections import ConstantReconnectionPolicy as ConstantReconnectionPolicy
from cassandra._policies.connections import ConvictionPolicy as ConvictionPolicy
from cassandra._policies.connections import ExponentialReconnectionPolicy as ExponentialReconnectionPolicy
from cassandra._policies.connections import ReconnectionPolicy as ReconnectionPolicy
from cassandra._policies.connections import SimpleConvictionPolicy as SimpleConvictionPolicy
from cassandra._policies.encryption import ColDesc as ColDesc
from cassandra._policies.encryption import ColumnEncryptionPolicy as ColumnEncryptionPolicy
from cassandra._policies.load_balancing import DCAwareRoundRobinPolicy as DCAwareRoundRobinPolicy
from cassandra._policies.load_balancing import HostDistance as HostDistance
from cassandra._policies.load_balancing import HostStateListener as HostStateListener
from cassandra._policies.load_balancing import LoadBalancingPolicy as LoadBalancingPolicy
from cassandra._policies.load_balancing import RoundRobinPolicy as RoundRobinPolicy
from cassandra._policies.load_balancing import WhiteListRoundRobinPolicy as WhiteListRoundRobinPolicy
from cassandra._policies.retry import DowngradingConsistencyRetryPolicy as DowngradingConsistencyRetryPolicy
from cassandra._policies.retry import FallthroughRetryPolicy as FallthroughRetryPolicy
from cassandra._policies.retry import NeverRetryPolicy as NeverRetryPolicy
from cassandra._policies.retry import RetryPolicy as RetryPolicy
from cassandra._policies.speculative import ConstantSpeculativeExecutionPolicy as ConstantSpeculativeExecutionPolicy
from cassandra._policies.speculative import NoSpeculativeExecutionPlan as NoSpeculativeExecutionPlan
from cassandra._policies.speculative import NoSpeculativeExecutionPolicy as NoSpeculativeExecutionPolicy
from cassandra._policies.speculative import SpeculativeExecutionPlan as SpeculativeExecutionPlan
from cassandra._policies.speculative import SpeculativeExecutionPolicy as SpeculativeExecutionPolicy
from cassandra._policies.wrapping import DefaultLoadBalancingPolicy as DefaultLoadBalancingPolicy
from cassandra._policies.wrapping import DSELoadBalancingPolicy as DSELoadBalancingPolicy
from cassandra._policies.wrapping import HostFilterPolicy as HostFilterPolicy
from cassandra._policies.wrapping import TokenAwarePolicy as TokenAwarePolicy
from cassandra._policies.wrapping import WrapperPolicy as WrapperPolicy

log = logging.getLogger(__name__)

WT = WriteType
