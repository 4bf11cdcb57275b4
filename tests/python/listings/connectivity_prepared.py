# Prepare a statement for repeated execution
insert_stmt = session.prepare("""
    INSERT INTO users (id, name, email, created_at)
    VALUES (?, ?, ?, ?)
""")

# Execute with different parameters
import uuid
from datetime import datetime

session.execute(insert_stmt, [
    uuid.uuid4(),
    'Alice Smith',
    'alice@example.com',
    datetime.now()
])

session.execute(insert_stmt, [
    uuid.uuid4(),
    'Bob Jones',
    'bob@example.com',
    datetime.now()
])
