# How run.sh finds, starts and looks at a job here: as a task of ECS. Sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2153,SC2154

# Sets $job to the task that does this job already; a command is always started.
find_job() {
  local tasks found id="${JOB_ID//\'/\\\'}"
  ((${#COMMAND[@]} == 0)) || return 0
  tasks="$(aws ecs list-tasks --cluster "$name" --desired-status RUNNING --query 'taskArns[]' --output text)" ||
    fail "ECS does not say what runs: see above"
  [[ "$tasks" == arn:* ]] || return 0
  # describe-tasks takes 100 at once.
  found="$(xargs -n 100 aws ecs describe-tasks --cluster "$name" --output text --query "tasks[?lastStatus != 'STOPPED' &&
    (overrides.containerOverrides[0].environment[?name=='JOB_ID'].value | [0]) == '$id' &&
    !(overrides.containerOverrides[0].command)].[taskArn]" --tasks <<<"$tasks")" ||
    fail "ECS does not say what runs: see above"
  job="${found%%$'\n'*}"
}

start_job() {
  local container provider network command="" overrides said
  ((WORKERS <= 10)) || fail "ECS starts 10 tasks at once: --workers 10"
  container="$(output container)"
  provider="$(output capacity_provider)"
  network="$(output network)"
  if ((${#COMMAND[@]})); then command="\"command\":$(list "${COMMAND[@]}"),"; fi
  overrides="$(environment "$SOURCE=$KEY" "JOB_ID=$JOB_ID" "${SETTINGS[@]+"${SETTINGS[@]}"}")"
  start aws ecs run-task --cluster "$name" --task-definition "$name" --count "$WORKERS" --propagate-tags TASK_DEFINITION \
    --capacity-provider-strategy "capacityProvider=$provider,weight=1" --network-configuration "$network" \
    --overrides "{\"containerOverrides\":[{\"name\":$(json "$container"),$command\"environment\":$overrides}]}" \
    --query '[tasks[0].taskArn, failures[0].reason]' --output text
  said="${job#*$'\t'}"
  job="${job%%$'\t'*}"
  [[ "$job" == arn:* ]] || fail "ECS started nothing: $said; run it again later, or with fargate_spot = false"
}

look_at_job() {
  local said container stop_code
  said="$(aws ecs describe-tasks --cluster "$name" --tasks "$job" --output text --query \
    'tasks[0].[lastStatus, stopCode, containers[0].exitCode, containers[0].name, containers[0].reason || stoppedReason]')" ||
    return 1
  IFS=$'\t' read -r status stop_code code container reason <<<"$said"
  stream="job/$container/${job##*/}"
  if [[ "$status" == STOPPED ]]; then status=ENDED; fi
  case "$stop_code" in
    SpotInterruption | TerminationNotice)
      reason="AWS took its machine back, and starts it again where resume_interrupted is true"
      ;;
  esac
}
