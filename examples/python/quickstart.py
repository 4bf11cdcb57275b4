"""The quickstart listings, one after the other, against the node that HELENUS_CONTACT_POINTS names (default 127.0.0.1).

Nothing here knows Helenus: it is the code that users of the ``cassandra`` package write.
"""

import os

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, ProtocolVersion

# Addresses as a list; ports are left to the default.
contact_points = [point.rsplit(":", 1)[0] for point in os.environ.get("HELENUS_CONTACT_POINTS", "127.0.0.1").split(",")]


def users_table() -> None:
    """Create a table, write a row, read it back; the read asks for something that the server refuses, and says so."""
    cluster = Cluster(contact_points)
    session = None
    try:
        session = cluster.connect()
        session.execute("""
            CREATE KEYSPACE IF NOT EXISTS my_keyspace WITH replication = {
                'class': 'SimpleStrategy', 'replication_factor': '1'
            }
        """)
        session.set_keyspace("my_keyspace")
        session.execute("""
            CREATE TABLE IF NOT EXISTS users (
                id UUID PRIMARY KEY,
                name text,
                age int
            )
        """)
        print("Table 'users' created or already exists.")
        session.execute("INSERT INTO users (id, name, age) VALUES (uuid(), %s, %s)", ("John Doe", 30))
        print("Data inserted.")
        for row in session.execute("SELECT name, age FROM users"):
            print(f"User: {row.name}, Age: {row.age}")
        rows = session.execute("SELECT name, age FROM users WHERE age > 25")
        for row in rows:
            print(f"User: {row.name}, Age: {row.age}")
    except Exception as e:
        print(f"An error occurred: {e}")
    finally:
        if session:
            session.shutdown()
        if cluster:
            cluster.shutdown()


def release_version() -> None:
    """Connect with an execution profile and ask the node for its version."""
    profile = ExecutionProfile(request_timeout=30)
    cluster = Cluster(
        contact_points,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=ProtocolVersion.V4,
    )
    session = cluster.connect()
    row = session.execute("select release_version from system.local").one()
    if row:
        print(row[0])
    else:
        print("An error occurred.")
    cluster.shutdown()


def vector_search() -> None:
    """Index three vectors and find the two that are nearest to a fourth."""
    cluster = Cluster(contact_points)
    session = cluster.connect()
    keyspace = "default_keyspace"
    v_dimension = 5
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': '1'}"
    )
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {keyspace}.vector_test (id INT PRIMARY KEY, "
        f"text TEXT, vector VECTOR<FLOAT,{v_dimension}>);"
    )
    session.execute(
        f"CREATE CUSTOM INDEX IF NOT EXISTS idx_vector_test ON {keyspace}.vector_test "
        "(vector) USING 'StorageAttachedIndex' WITH OPTIONS = {'similarity_function' : 'cosine'};"
    )
    text_blocks = [
        (1, "Chat bot integrated sneakers that talk to you", [0.1, 0.15, 0.3, 0.12, 0.05]),
        (2, "An AI quilt to help you sleep forever", [0.45, 0.09, 0.01, 0.2, 0.11]),
        (3, "A deep learning display that controls your mood", [0.1, 0.05, 0.08, 0.3, 0.6]),
    ]
    for block in text_blocks:
        session.execute(f"INSERT INTO {keyspace}.vector_test (id, text, vector) VALUES (%s, %s, %s)", block)
    ann_query = (
        "SELECT id, text, similarity_cosine(vector, [0.15, 0.1, 0.1, 0.35, 0.55]) as sim "
        f"FROM {keyspace}.vector_test ORDER BY vector ANN OF [0.15, 0.1, 0.1, 0.35, 0.55] LIMIT 2"
    )
    for row in session.execute(ann_query):
        print(f'[{row.id}] "{row.text}" (sim: {row.sim:.4f})')
    cluster.shutdown()


if __name__ == "__main__":
    for listing in (users_table, release_version, vector_search):
        print(f"-- {listing.__name__}")
        listing()
