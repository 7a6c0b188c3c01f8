# Shared by the scripts of deploy/: messages, --dry-run, the image's tag. Sourced, never run.
# shellcheck shell=bash

DRY_RUN=no

say() { echo "$*" >&2; }

# Ends the script with a line that says what to do.
fail() {
  say "${0##*/}: $*"
  exit 1
}

# The comment at the top of the script is its help.
usage() {
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"
}

# Runs a command that changes something; --dry-run only prints it.
run() {
  if [[ "$DRY_RUN" == yes ]]; then
    printf 'would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

require() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || fail "$command is not on the path: install it first"
  done
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# A tag that follows from what goes into the image: the same sources, the same tag.
source_tag() {
  local root="$1" digest
  shift
  digest="$(cd "$root" && find csvkafka compiled hatch_build.py pyproject.toml README.md LICENSE \
    docker/Dockerfile docker/prune_botocore.py docker/requirements.lock docker/build-requirements.lock "$@" \
    -type f ! -name '*.pyc' ! -name '*.so' -print | LC_ALL=C sort | while IFS= read -r file; do
    printf '%s ' "$file"
    checksum <"$file"
  done | checksum)"
  echo "src-${digest:0:12}"
}

TABLE_ADDRESS='module.shared.aws_dynamodb_table.checkpoint[0]'

# Whether the checkpoint table is in this folder's state.
table_in_state() {
  local state
  state="$(terraform state list 2>/dev/null)" || return 1
  [[ $'\n'"$state"$'\n' == *$'\n'"$TABLE_ADDRESS"$'\n'* ]]
}

# Ends the script unless something was applied here. (`terraform output` of nothing is a success.)
require_applied() {
  [[ -n "$(terraform state list 2>/dev/null)" ]] ||
    fail "nothing was deployed from here: run ./deploy.sh in this folder first"
}

# An output of what was applied. One per line: of `a=$(…) b=$(…)` bash sees only the last failure.
output() {
  terraform output -raw "$1" ||
    fail "there is no output $1: run ./deploy.sh in this folder first"
}
