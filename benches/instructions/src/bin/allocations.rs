//! Does the plan with an allocator that counts. Prints allocations, their bytes, and tasks spawned meanwhile.

use std::process::ExitCode;

use helenus_instructions::{Client, Failure, Plan};

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("helenus-instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Failure> {
    let plan = Plan::from_arguments()?;
    let client = Client::start(&plan)?;
    client.run(plan.warm_up);
    let before = client.tasks_spawned();
    let mut units = 0;
    let counted = allocation_counter::measure(|| units = client.run(plan.count));
    // The second probe is a task too.
    let tasks = client.tasks_spawned() - before - 1;
    let (allocations, bytes) = (counted.count_total, counted.bytes_total);
    Ok(format!(
        "{{\"units\": {units}, \"allocations\": {allocations}, \"bytes\": {bytes}, \"tasks\": {tasks}}}"
    ))
}
