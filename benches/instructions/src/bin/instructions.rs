//! Does the plan between two marks, under callgrind. Prints how many units were done between them.

use std::process::ExitCode;

use helenus_instructions::{Client, Failure, Plan, helenus_mark};

fn main() -> ExitCode {
    match run() {
        Ok(units) => {
            println!("{{\"units\": {units}}}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("helenus-instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u64, Failure> {
    let plan = Plan::from_arguments()?;
    let client = Client::start(&plan)?;
    client.run(plan.warm_up);
    helenus_mark();
    let units = client.run(plan.count);
    helenus_mark();
    Ok(units)
}
