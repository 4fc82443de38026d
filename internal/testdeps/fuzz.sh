#!/bin/sh
# Runs every fuzzer of the project, one after another, for the time given.
set -eu
time=${1:-20s}
git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r dir; do
	git grep -hoE '^func Fuzz[A-Za-z0-9_]+' -- "$dir/*_test.go" | sed 's/^func //' | sort -u | while read -r name; do
		echo "== ./$dir $name"
		go test "./$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 500ms
	done
done
