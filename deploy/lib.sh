# Shared by the scripts of deploy/: messages, --dry-run, terraform's variables and state, the source.
# Sourced, never run.
# shellcheck shell=bash

DRY_RUN=no
YES=no

say() { echo "$*" >&2; }

# Ends the script with a line that says what to do.
fail() {
  say "${0##*/}: $*"
  exit 1
}

# The comment at the top of the script is its help. A script that has left the folder it was called in
# says where it is: $0 may be a path from there.
usage() {
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "${1:-$0}"
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

# Asks a question that only `yes` answers; --yes has answered it.
confirm() {
  local answer=""
  if [[ "$YES" == yes || "$DRY_RUN" == yes ]]; then return 0; fi
  printf '%s Only yes goes on: ' "$1" >&2
  read -r answer || true
  [[ "$answer" == yes ]] || fail "nothing was changed"
}

require() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || fail "$command is not on the path: install it first"
  done
}

# A text as JSON; of control characters a text here has tabs at most.
json() {
  local text="${1//\\/\\\\}"
  text="${text//\"/\\\"}"
  printf '"%s"' "${text//$'\t'/\\t}"
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# A digest of what goes into the image: the same sources, the same digest. Further files may be given.
source_digest() {
  local root="$1"
  shift
  (cd "$root" && find csvkafka compiled hatch_build.py pyproject.toml README.md LICENSE \
    docker/Dockerfile docker/prune_botocore.py docker/requirements.lock docker/build-requirements.lock "$@" \
    -type f ! -name '*.pyc' ! -name '*.so' -print | LC_ALL=C sort | while IFS= read -r file; do
    printf '%s ' "$file"
    checksum <"$file"
  done | checksum)
}

# -- terraform ------------------------------------------------------------------------------------

TABLE_ADDRESS='module.shared.aws_dynamodb_table.checkpoint[0]'

# Ends the script where there are no variables.
require_tfvars() {
  [[ -f terraform.tfvars ]] || fail "there is no terraform.tfvars: copy terraform.tfvars.example and fill it in"
}

# Gets providers and modules, and nothing of AWS.
initialize() {
  terraform init -input=false >&2 ||
    fail "terraform init failed: see above (is the registry within reach, is the backend right?)"
}

# Sets $region, $name, $table, $create_table, $architecture, $bucket and $key to what the variables
# are, by whatever file or variable they are given. After `initialize`.
read_variables() {
  local values
  values="$(terraform console -var image_tag=none <<'EOF'
join("|", [var.region, var.name, var.table_name, var.create_table, var.cpu_architecture, var.job.s3_bucket, try(var.job.s3_key, "")])
EOF
)" || fail "terraform.tfvars is not right: see above"
  IFS='|' read -r region name table create_table architecture bucket key <<<"${values//\"/}"
  [[ -n "$bucket" ]] || fail "terraform.tfvars is not right: $values"
  export AWS_REGION="$region" AWS_DEFAULT_REGION="$region" AWS_PAGER=""
}

# The addresses in this folder's state; none before the first deploy. A state that cannot be read is
# no empty one.
state_addresses() {
  local said
  if said="$(terraform state list 2>&1)"; then
    echo "$said"
  elif [[ "$said" != *"No state file was found"* ]]; then
    say "$said"
    fail "terraform's state cannot be read: see above; nothing was changed"
  fi
}

# Whether the checkpoint table is among the addresses.
has_table() {
  [[ $'\n'"$1"$'\n' == *$'\n'"$TABLE_ADDRESS"$'\n'* ]]
}

OUTPUTS="{}"

# Asks terraform once for all that was put out here: `output` takes it from there.
read_outputs() {
  OUTPUTS="$(terraform output -no-color -json)" || fail "terraform's outputs cannot be read: see above"
}

# Ends the script unless something was applied here, and reads its outputs. (`terraform output` of
# nothing is a success.)
require_applied() {
  local addresses
  addresses="$(state_addresses)"
  [[ -n "$addresses" ]] || fail "nothing was deployed from here: run ./deploy.sh in this folder first"
  read_outputs
}

# An output of what was applied, a text, number or boolean; fails where there is none, as before the
# first apply or when that stopped half-way. After `read_outputs`.
known_output() {
  local value
  # terraform writes one name to a line, and its value to another.
  value="$(sed -n "/^  \"$1\": {\$/,/^  }/s/^    \"value\": //p" <<<"$OUTPUTS")"
  [[ -n "$value" ]] || return 1
  if [[ "$value" == '"'*'"' ]]; then value="$(unquoted "$value")"; fi
  printf '%s' "$value"
}

# The same; ends the script where there is none. One per line: of `a=$(…) b=$(…)` bash sees only the
# last failure.
output() {
  known_output "$1" || fail "there is no output $1: run ./deploy.sh in this folder first"
}

# The text of a string of JSON as terraform writes it: it escapes <, > and & too.
unquoted() {
  local text="${1#\"}" newline=$'\n' tab=$'\t' carriage=$'\r' backslash=$'\001'
  text="${text%\"}"
  # No control character stands in a string of JSON, so this one can stand for a backslash.
  text=${text//\\\\/$backslash}
  text=${text//\\n/$newline}
  text=${text//\\t/$tab}
  text=${text//\\r/$carriage}
  text=${text//\\\"/\"}
  text=${text//\\u003c/<}
  text=${text//\\u003e/>}
  # In quotes, as bash 5.2 takes a bare & for what was found.
  text=${text//\\u0026/"&"}
  printf '%s' "${text//$backslash/\\}"
}

# -- AWS ------------------------------------------------------------------------------------------

# The account; ends the script if AWS knows nobody here.
account() {
  aws sts get-caller-identity --query Account --output text ||
    fail "AWS does not know you: log in (aws sso login, aws configure), then run it again"
}

# Whether the checkpoint table stands in the account.
table_stands() {
  local said
  if said="$(aws dynamodb describe-table --table-name "$1" 2>&1)"; then return 0; fi
  [[ "$said" == *ResourceNotFoundException* ]] || fail "the table $1 cannot be looked at: $said"
  return 1
}

# Ends the script if there is no such bucket. Who may not look is told so, and goes on.
check_bucket() {
  local said
  if said="$(aws s3api head-bucket --bucket "$1" 2>&1)"; then return 0; fi
  case "$said" in
    *"(404)"*) fail "there is no bucket $1: see s3_bucket in terraform.tfvars" ;;
    *"(403)"*) say "   you may not look into the bucket $1 (s3:ListBucket): whether the job can, its first lines say" ;;
    *"(301)"* | *"(400)"*) fail "the bucket $1 is not in $AWS_REGION: the job reads from its own region" ;;
    *) fail "S3 does not answer: $said" ;;
  esac
}

# Whether there is such an object, or one below a key that ends in a slash; true where you may not look.
has_source() {
  local said
  if [[ "$2" == */ ]]; then
    said="$(aws s3api list-objects-v2 --bucket "$1" --prefix "$2" --max-items 1 --query 'Contents[].Key' --output text 2>&1)" ||
      return 0
    [[ "$said" != None* ]]
    return
  fi
  if said="$(aws s3api head-object --bucket "$1" --key "$2" 2>&1)"; then return 0; fi
  [[ "$said" != *"(404)"* ]]
}
