//! The quickstart in Rust: a users table, the release version and a vector search, against the node that
//! `HELENUS_CONTACT_POINTS` names (default `127.0.0.1`).
//!
//! The twin of `examples/python/quickstart.py`; both print the same.

use std::env;
use std::error::Error;

use helenus::{Cluster, DeserializeRow, Session};
use uuid::Uuid;

/// A row of the vector search, matched to the columns by name.
#[derive(DeserializeRow)]
struct Nearest {
    id: i32,
    text: String,
    sim: f32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let contact_points = env::var("HELENUS_CONTACT_POINTS").unwrap_or_else(|_| "127.0.0.1".into());
    let cluster = Cluster::builder()
        .contact_points(contact_points.split(','))
        .build()?;
    let session = cluster.connect().await?;

    println!("-- users_table");
    if let Err(error) = users_table(&session).await {
        println!("An error occurred: {error}");
    }
    println!("-- release_version");
    release_version(&session).await?;
    println!("-- vector_search");
    vector_search(&session).await?;

    cluster.close().await;
    Ok(())
}

/// Creates a table, writes a row and reads it back; the last read asks for something that the server refuses.
async fn users_table(session: &Session) -> Result<(), Box<dyn Error>> {
    create_keyspace(session, "my_keyspace").await?;
    session
        .query(
            "CREATE TABLE IF NOT EXISTS my_keyspace.users (id uuid PRIMARY KEY, name text, age int)",
            (),
        )
        .await?;
    println!("Table 'users' created or already exists.");

    let insert = session
        .prepare("INSERT INTO my_keyspace.users (id, name, age) VALUES (?, ?, ?)")
        .await?;
    session.execute(&insert, (Uuid::new_v4(), "John Doe", 30)).await?;
    println!("Data inserted.");

    let result = session
        .query("SELECT name, age FROM my_keyspace.users", ())
        .await?;
    for row in result.rows::<(String, i32)>()? {
        let (name, age) = row?;
        println!("User: {name}, Age: {age}");
    }
    session
        .query("SELECT name, age FROM my_keyspace.users WHERE age > 25", ())
        .await?;
    Ok(())
}

/// Asks the node for its version.
async fn release_version(session: &Session) -> Result<(), Box<dyn Error>> {
    let result = session
        .query("SELECT release_version FROM system.local", ())
        .await?;
    let (version,): (String,) = result.single_row()?;
    println!("{version}");
    Ok(())
}

/// Indexes three vectors and finds the two that are nearest to a fourth.
async fn vector_search(session: &Session) -> Result<(), Box<dyn Error>> {
    create_keyspace(session, "default_keyspace").await?;
    for statement in [
        "CREATE TABLE IF NOT EXISTS default_keyspace.vector_test (id int PRIMARY KEY, text text, vector vector<float, 5>)",
        "CREATE CUSTOM INDEX IF NOT EXISTS idx_vector_test ON default_keyspace.vector_test (vector) \
         USING 'StorageAttachedIndex' WITH OPTIONS = {'similarity_function': 'cosine'}",
    ] {
        session.query(statement, ()).await?;
    }
    let insert = session
        .prepare("INSERT INTO default_keyspace.vector_test (id, text, vector) VALUES (?, ?, ?)")
        .await?;
    for (id, text, vector) in [
        (
            1,
            "Chat bot integrated sneakers that talk to you",
            [0.1_f32, 0.15, 0.3, 0.12, 0.05],
        ),
        (
            2,
            "An AI quilt to help you sleep forever",
            [0.45, 0.09, 0.01, 0.2, 0.11],
        ),
        (
            3,
            "A deep learning display that controls your mood",
            [0.1, 0.05, 0.08, 0.3, 0.6],
        ),
    ] {
        session.execute(&insert, (id, text, vector)).await?;
    }

    let search = session
        .prepare(
            "SELECT id, text, similarity_cosine(vector, ?) AS sim FROM default_keyspace.vector_test \
             ORDER BY vector ANN OF ? LIMIT 2",
        )
        .await?;
    let wanted = [0.15_f32, 0.1, 0.1, 0.35, 0.55];
    let result = session.execute(&search, (wanted, wanted)).await?;
    for row in result.rows::<Nearest>()? {
        let Nearest { id, text, sim } = row?;
        println!("[{id}] \"{text}\" (sim: {sim:.4})");
    }
    Ok(())
}

async fn create_keyspace(session: &Session, name: &str) -> Result<(), Box<dyn Error>> {
    let statement = format!(
        "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': '1'}}"
    );
    session.query(statement, ()).await?;
    Ok(())
}
