#!/usr/bin/env bash
# Runs one job in what deploy.sh made in this folder: starts it, shows its log, and ends with its exit
# code. A job that runs already is not started again, its log is shown. Ctrl-C ends the showing alone.
#
# Usage: ./run.sh [options] [KEY]           in option1-ecs-fargate, option2-aws-batch
#        ./run.sh [options] [KEY] -- COMMAND …   another command of csvkafka there: doctor, verify, status
#   KEY                the CSV object, or all objects whose keys begin so if it ends in / (a set is one
#                      job); left out: s3_key of terraform.tfvars
#   --job-id ID        name of the job; left out: KEY, or job_id of terraform.tfvars for its own s3_key
#   --set NAME=VALUE   a setting for this run alone, e.g. KAFKA_TOPIC=scratch; may come more than once
#   --workers N        of a set: so many tasks, each of which takes the next file (ORDER=object)
#   --detach           start it, print how to watch it, and end
#   --dry-run          say what would be done, change nothing
#   --help
#
# Run it again to resume. POLL_SECONDS (10) is how often AWS is asked how it is.
set -euo pipefail

FOLDER="$(pwd -P)"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
# shellcheck source=lib.sh
source "$HERE/lib.sh"

POLL_SECONDS="${POLL_SECONDS:-10}"
KEY=""
JOB_ID=""
WORKERS=1
DETACH=no
SETTINGS=()
COMMAND=()

parse() {
  while (($#)); do
    case "$1" in
      --job-id)
        JOB_ID="${2:?--job-id needs a name}"
        shift
        ;;
      --set)
        [[ "${2:-}" =~ ^[A-Z][A-Z0-9_]*= ]] || fail "--set needs NAME=VALUE, e.g. KAFKA_TOPIC=scratch"
        [[ "$2" != *PASSWORD* ]] || fail "--set is seen by all who may look at the job: use kafka_secret_arn"
        SETTINGS+=("$2")
        shift
        ;;
      --workers)
        [[ "${2:-}" =~ ^[1-9][0-9]?$ ]] || fail "--workers needs a number, 1 to 99"
        WORKERS="$2"
        shift
        ;;
      --detach) DETACH=yes ;;
      --dry-run) DRY_RUN=yes ;;
      --help)
        usage
        exit 0
        ;;
      --)
        shift
        (($#)) || fail "which command? doctor, verify or status after --"
        COMMAND=("$@")
        return
        ;;
      -*) fail "unknown option $1: see --help" ;;
      *)
        [[ -z "$KEY" ]] || fail "one key at a time: $KEY, or $1"
        KEY="$1"
        ;;
    esac
    shift
  done
}

# Sets $KEY and $JOB_ID to what is run.
choose_job() {
  local own_key prefix own_source=S3_KEY
  own_key="$(output s3_key)"
  prefix="$(output prefix)"
  if [[ -z "$KEY" ]]; then KEY="$own_key"; fi
  [[ -n "$KEY" ]] || fail "which file? ./run.sh KEY, or s3_key in terraform.tfvars"
  [[ "$KEY" == "$prefix"* ]] || fail "the job may read what begins with $prefix alone, not $KEY: see s3_prefix"
  if [[ -z "$JOB_ID" && "$KEY" == "$own_key" ]]; then JOB_ID="$(output job_id)"; fi
  JOB_ID="${JOB_ID:-$KEY}"
  SOURCE=S3_KEY
  if [[ "$KEY" == */ ]]; then SOURCE=S3_PREFIX; fi
  if ((WORKERS > 1)); then
    [[ "$SOURCE" == S3_PREFIX ]] || fail "--workers is for a set: end KEY in /"
    ((${#COMMAND[@]} == 0)) || fail "--workers is for a load, not for ${COMMAND[0]}"
    SETTINGS+=("ORDER=object")
  fi
  # What the task definition says of its own key must not stand beside it.
  if [[ "$own_key" == */ ]]; then own_source=S3_PREFIX; fi
  [[ -z "$own_key" || "$own_source" == "$SOURCE" ]] || SETTINGS+=("$own_source=")
}

# [{"name": …, "value": …}, …] of NAME=VALUE.
environment() {
  local setting all=""
  for setting in "$@"; do
    all+="${all:+,}{\"name\":$(json "${setting%%=*}"),\"value\":$(json "${setting#*=}")}"
  done
  echo "[$all]"
}

# ["…", …]
list() {
  local word all=""
  for word in "$@"; do all+="${all:+,}$(json "$word")"; done
  echo "[$all]"
}

# Sets $job to what the command says when it has started a job; --dry-run ends here.
start() {
  if [[ "$DRY_RUN" == yes ]]; then
    run "$@"
    exit 0
  fi
  job="$("$@")" || fail "the job was not started: see above"
}

# What look_at_job sets; $status is ENDED at the end, and None is what AWS does not say.
status="" code="" reason="" stream=""
shown="" token=""

# Prints what is new in the log's stream $shown.
show_stream() {
  local said before
  [[ -n "$shown" && "$shown" != None ]] || return 0
  while true; do
    before="$token"
    said="$(aws logs get-log-events --log-group-name "$log_group" --log-stream-name "$shown" --start-from-head \
      ${token:+--next-token "$token"} --query '[[nextForwardToken], events[].[message]]' --output text 2>&1)" || {
      [[ "$said" == *ResourceNotFoundException* ]] || say "the log cannot be read: $said"
      return 0
    }
    token="${said%%$'\n'*}"
    # The last page gives the token back.
    [[ "$token" != "$before" ]] || return 0
    if [[ "$said" == *$'\n'* ]]; then echo "${said#*$'\n'}"; fi
  done
}

# Another attempt of a job has another stream; first the end of the one before.
show_log() {
  if [[ "$stream" != "$shown" ]]; then
    show_stream
    shown="$stream" token=""
  fi
  show_stream
}

print_checkpoint() {
  local said
  ((${#COMMAND[@]} == 0)) || return 0
  said="$(aws dynamodb get-item --table-name "$table" --key "{\"job_id\":{\"S\":$(json "$JOB_ID")}}" \
    --query 'Item.[status.S, last_line.N]' --output text 2>&1)" || return 0
  [[ "$said" == None ]] || say "   its checkpoint in $table: ${said/$'\t'/, line }"
}

follow() {
  local told=""
  trap 'say "the job goes on; the same command shows its log again"; exit 130' INT
  while true; do
    if ! look_at_job; then
      say "AWS does not say how $job is: asked again"
    elif [[ "$status" != "$told" ]]; then
      told="$status"
      [[ "$status" == ENDED ]] || say "   $status"
    fi
    if [[ "$status" == ENDED ]]; then
      # The log's last lines are on their way.
      sleep "$((POLL_SECONDS / 2))"
      show_log
      break
    fi
    show_log
    sleep "$POLL_SECONDS"
  done
  print_checkpoint
  [[ "$code" =~ ^[0-9]+$ ]] || fail "$job ended without an exit code: $reason"
  [[ "$code" != 0 ]] || {
    say "done: exit code 0"
    exit 0
  }
  if [[ "$reason" == None ]]; then reason="see its log"; fi
  say "${0##*/}: exit code $code: $reason; run it again when the cause is gone: it resumes"
  exit "$code"
}

parse "$@"
[[ -f job.sh ]] || fail "run it in option1-ecs-fargate or option2-aws-batch; option 3 has launch-spot.sh"
# shellcheck source=option1-ecs-fargate/job.sh
source ./job.sh
require aws terraform
require_applied
region="$(output region)"
name="$(output name)"
log_group="$(output log_group_name)"
table="$(output table_name)"
bucket="$(output bucket)"
export AWS_REGION="$region" AWS_DEFAULT_REGION="$region" AWS_PAGER=""
choose_job

# Before anything costs money.
check_bucket "$bucket"
((${#COMMAND[@]})) || has_source "$bucket" "$KEY" || fail "there is no s3://$bucket/$KEY"
job=""
find_job
if [[ -n "$job" ]]; then
  say "the job $JOB_ID runs already: nothing is started"
else
  start_job
fi
say "   $job"
say "   log: aws logs tail '$log_group' --follow --region $region"
if [[ "$DETACH" == yes ]]; then exit 0; fi
follow
