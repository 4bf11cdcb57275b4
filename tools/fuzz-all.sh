#!/usr/bin/env bash
# fuzz-all.sh MINUTES [TARGET...]: runs each fuzz target (by default all) for so long, two at a time. Ends with 1 on a finding.
#
# Starts from the kept corpus in fuzz/corpus. New inputs go to fuzz/target/corpus (or $HELENUS_FUZZ_CORPUS), findings to
# fuzz/artifacts. To keep an input for `cargo test`, copy it to fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:?usage: fuzz-all.sh MINUTES [TARGET...]}
shift
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is not installed: cargo install cargo-fuzz --locked" >&2; exit 2; }
rustup toolchain list | grep -q '^nightly' || { echo "no nightly toolchain: rustup toolchain install nightly" >&2; exit 2; }

target_dir=${CARGO_TARGET_DIR:-$PWD/fuzz/target}
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$target_dir
echo "== building the targets"
(cd fuzz && cargo +nightly fuzz build)

if [ $# -eq 0 ]; then
    mapfile -t targets < <(cd fuzz && cargo +nightly fuzz list | sort)
    set -- "${targets[@]}"
fi
export HELENUS_FUZZ_BINARIES=$target_dir/$triple/release
export HELENUS_FUZZ_CORPUS=${HELENUS_FUZZ_CORPUS:-$PWD/fuzz/target/corpus}
HELENUS_FUZZ_SECONDS=$(awk -v minutes="$minutes" 'BEGIN { printf "%d", minutes * 60 }')
export HELENUS_FUZZ_SECONDS

run_one() {
    local target=$1 log
    mkdir -p "$HELENUS_FUZZ_CORPUS/$target" "fuzz/artifacts/$target"
    log=$HELENUS_FUZZ_CORPUS/$target.log
    # 64 MiB for one allocation: every length is to be checked before memory is reserved for it.
    if "$HELENUS_FUZZ_BINARIES/$target" -max_total_time="$HELENUS_FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 \
        -malloc_limit_mb=64 -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 \
        "$HELENUS_FUZZ_CORPUS/$target" "fuzz/corpus/$target" >"$log" 2>&1; then
        printf '%-14s no finding in %s runs\n' "$target" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    else
        printf '%-14s FINDING, see %s\n' "$target" "$log"
        grep -m 1 -A 3 'panicked at\|ERROR: libFuzzer' "$log" || true
        tail -n 8 "$log"
        return 1
    fi
}
export -f run_one

echo "== $# targets, ${HELENUS_FUZZ_SECONDS} s each, two at a time"
printf '%s\n' "$@" | xargs -P 2 -I{} bash -c 'run_one "$1"' run_one {} || { echo "there are findings" >&2; exit 1; }
echo "== no finding"
