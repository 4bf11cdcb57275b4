from cassandra.cluster import Cluster
from cassandra.auth import PlainTextAuthProvider # For secure connections
import os
# For local Cassandra, 'contact_points' can be ['127.0.0.1']
# For Astra DB or secure clusters, specify contact_points and auth_provider
# using credentials from environment variables.
# Example: CONTACT_POINTS = ['your.cassandra.host']
# ASTRA_CLIENT_ID = os.environ.get('ASTRA_CLIENT_ID', '')
# ASTRA_CLIENT_SECRET = os.environ.get('ASTRA_CLIENT_SECRET', '')
# For a basic local connection:
cluster = Cluster(['127.0.0.1']) # Or specify actual contact points
session = None
try:
    session = cluster.connect() # Connects to a default or specified keyspace
    session.execute("""
    CREATE KEYSPACE IF NOT EXISTS my_keyspace WITH replication = {
    'class': 'SimpleStrategy', 'replication_factor': '1'
    }
    """)
    session.set_keyspace('my_keyspace')
    session.execute("""
    CREATE TABLE IF NOT EXISTS users (
    id UUID PRIMARY KEY,
    name text,
    age int
    )
    """)
    print("Table 'users' created or already exists.")
    session.execute(
        "INSERT INTO users (id, name, age) VALUES (uuid(), %s, %s)",
        ("John Doe", 30)
    )
    print("Data inserted.")
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
