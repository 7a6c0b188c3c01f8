# How run.sh finds, starts and looks at a job here: as a job of Batch. Sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

# By its name a job is found again; Batch takes letters, digits, hyphens and underscores, 128 at most.
batch_name() {
  local digest
  digest="$(printf '%s' "$JOB_ID" | checksum)"
  echo "csvkafka-$(printf '%s' "${JOB_ID:0:90}" | LC_ALL=C tr -c 'A-Za-z0-9_' '-')-${digest:0:12}"
}

# Sets $job to the job of Batch that does this job already; a command is always started.
find_job() {
  local found
  queue="$(output job_queue)"
  ((${#COMMAND[@]} == 0)) || return 0
  found="$(aws batch list-jobs --job-queue "$queue" --filters "name=JOB_NAME,values=$(batch_name)" --output text \
    --query "jobSummaryList[?status!='SUCCEEDED' && status!='FAILED'].[jobId]")" ||
    fail "Batch does not say what runs: see above"
  job="${found%%$'\n'*}"
}

start_job() {
  local definition overrides batch_name command="" array=()
  definition="$(output job_definition)"
  batch_name="$(batch_name)"
  if ((${#COMMAND[@]})); then
    batch_name="csvkafka-${COMMAND[0]}"
    SETTINGS=("$SOURCE=$KEY" "JOB_ID=$JOB_ID" "${SETTINGS[@]+"${SETTINGS[@]}"}")
    # See array_child.py.
    command="\"command\":$(list -- "${COMMAND[@]}"),"
  fi
  # The children have all the same file names to choose from; which child it is counts for nothing.
  if ((WORKERS > 1)); then array=(--array-properties "size=$WORKERS"); fi
  overrides="{$command\"environment\":$(environment "${SETTINGS[@]+"${SETTINGS[@]}"}")}"
  start aws batch submit-job --job-name "$batch_name" --job-queue "$queue" --job-definition "$definition" \
    --parameters "{\"key\":$(json "$KEY"),\"job_id\":$(json "$JOB_ID")}" --container-overrides "$overrides" \
    "${array[@]+"${array[@]}"}" --query jobId --output text
}

look_at_job() {
  local said
  said="$(aws batch describe-jobs --jobs "$job" --output text --query \
    'jobs[0].[status, container.exitCode, container.logStreamName, container.reason || statusReason]')" || return 1
  IFS=$'\t' read -r status code stream reason <<<"$said"
  case "$status" in
    SUCCEEDED)
      code=0
      status=ENDED
      ;;
    FAILED) status=ENDED ;;
  esac
}
