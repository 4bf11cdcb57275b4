//! Replays the corpora of the fuzz targets, kept in `fuzz/corpus/`: what was found once, stays found.

#[expect(unreachable_pub, reason = "the fuzz targets use it too")]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn every_kept_input_goes_through_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let folder = corpus.join(name);
        let inputs = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            // The name of the input that panics stands in the output.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
        target(&[]);
    }
}
