#!/usr/bin/env bash
# Builds foxbridge twice: to watch itself under the bench's quick form, and by what was seen (profile-guided optimization).
# A request then takes a fifth fewer instructions.
#
#   deploy/pgo.sh        # about three times as long as cargo build --release; then: target/pgo/foxbridge
#
# Needs Linux and llvm-profdata of the same LLVM as rustc's: rustup component add llvm-tools, or LLVM_PROFDATA=PROGRAM.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
profdata=${LLVM_PROFDATA:-$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata}
if ! [[ -x $profdata ]]; then
  echo "There is no $profdata. Install it (rustup component add llvm-tools), or set LLVM_PROFDATA to the one of rustc's LLVM." >&2
  exit 1
fi
target=$PWD/target/pgo
rm -rf "$target/seen"

# With --target, what runs while building (build scripts, macros) is not watched.
build() {
  RUSTFLAGS="$1 ${RUSTFLAGS:-}" cargo build --release --locked --package foxbridge --bin foxbridge \
    --target "$host" --target-dir "$target"
}

build "-Cprofile-generate=$target/seen"
cargo run --release --locked --package foxbridge-bench -- --quick --foxbridge "$target/$host/release/foxbridge" \
  --json "$target/table.json" --svg "$target/table.svg"
"$profdata" merge --output "$target/seen.profdata" "$target"/seen/*.profraw
build "-Cprofile-use=$target/seen.profdata"
cp "$target/$host/release/foxbridge" "$target/foxbridge"
echo "Built $target/foxbridge"
