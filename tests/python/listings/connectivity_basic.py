from cassandra.cluster import Cluster
from cassandra.auth import PlainTextAuthProvider
from cassandra.policies import DCAwareRoundRobinPolicy

# Setup authentication
auth_provider = PlainTextAuthProvider(username='cassandra', password='cassandra')

# Setup load balancing
load_balancing_policy = DCAwareRoundRobinPolicy(local_dc='datacenter1')

# Create cluster with custom configuration
cluster = Cluster(
    contact_points=['127.0.0.1', '127.0.0.2'],
    port=9042,
    auth_provider=auth_provider,
    load_balancing_policy=load_balancing_policy,
    protocol_version=4
)

# Connect and execute queries
session = cluster.connect()
session.set_keyspace('my_keyspace')

# Execute synchronous query
result = session.execute("SELECT * FROM users WHERE id = %s", [user_id])
for row in result:
    print(f"User: {row.name}")

# Execute asynchronous query
future = session.execute_async("SELECT * FROM users")
result = future.result()

# Clean up
cluster.shutdown()
