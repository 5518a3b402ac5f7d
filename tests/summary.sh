#!/usr/bin/env bash
# Prints what a test run consisted of: tests per suite, the names of skipped
# ones, and the versions of the real servers. Argument: a folder with one
# `go test -json` file per suite, named after it.
set -euo pipefail
cd "$(dirname "$0")/.."
results=$1

# Only lines that report the end of a test; output quotes cannot look like one.
ended() { grep -cE '^\{"Time":"[^"]*","Action":"'"$1"'","Package":"[^"]*","Test":' "$2" || true; }

printf '\n%-14s %7s %7s %7s\n' suite passed failed skipped
for file in "$results"/*.json; do
  printf '%-14s %7d %7d %7d\n' "$(basename "$file" .json)" "$(ended pass "$file")" "$(ended fail "$file")" "$(ended skip "$file")"
done
grep -hE '^\{"Time":"[^"]*","Action":"skip","Package":"[^"]*","Test":' "$results"/*.json |
  sed -E 's/.*"Package":"([^"]*)","Test":"([^"]*)".*/skipped: \1 \2/' || true

kafka=$(basename "$(ls .cache/kafka/libs/kafka_2.13-*.jar)" .jar)
printf '\nagainst Redis %s, Kafka %s, %s\n' \
  "$(redis-server --version | sed 's/.* v=\([^ ]*\).*/\1/')" "${kafka#kafka_2.13-}" "$(go version | cut -d' ' -f3-)"
