def handle_success(result):
    print(f"Query succeeded with {len(result)} rows")
    for row in result:
        print(f"User: {row.name}")

def handle_error(exception):
    print(f"Query failed: {exception}")

# Execute with callbacks
future = session.execute_async("SELECT * FROM users")
future.add_callback(handle_success)
future.add_errback(handle_error)

# Or wait for result
try:
    result = future.result(timeout=10.0)
    print(f"Got {len(result)} rows")
except Exception as e:
    print(f"Query failed: {e}")
