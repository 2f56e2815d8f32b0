#!/bin/sh
# A shell script in the loop: each file named is counted by a worker, and the answers are gathered.
# usage: pipeline.sh FILE ...   (IPC: how the program is called, `ipc` unless set; its path has no spaces)
set -eu
ipc=${IPC:-ipc}

$ipc work count -- wc -l &
worker=$!
# However the script ends, the worker ends, too.
trap 'kill "$worker" 2> /dev/null && wait "$worker" || true' EXIT
for file in "$@"; do
  printf '%s: ' "$file"
  # A file may be empty.
  $ipc ask count --empty --mailbox pipeline < "$file"
done
$ipc post count shutdown > /dev/null
wait "$worker"
