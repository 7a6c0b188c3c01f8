#!/usr/bin/env bash
# Removes what deploy.sh made in this folder, the images too. The checkpoint table stays, with every
# job's progress, unless --delete-table says otherwise. Nothing is changed before you have said yes.
#
# Usage: ./destroy.sh [options]
#   --delete-table     delete the checkpoint table as well: jobs begin anew, and load their rows again
#   --yes              do not ask
#   --dry-run          say what would be done, change nothing
#   --help
set -euo pipefail

FOLDER="$(pwd -P)"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
# shellcheck source=lib.sh
source "$HERE/lib.sh"

DELETE_TABLE=no
while (($#)); do
  case "$1" in
    --delete-table) DELETE_TABLE=yes ;;
    --yes) YES=yes ;;
    --dry-run) DRY_RUN=yes ;;
    --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see --help" ;;
  esac
  shift
done

# A job that runs holds on to its network, and would be cut off in the middle.
refuse_while_jobs_run() {
  local running request instance status
  case "${FOLDER##*/}" in
    option1-*)
      running="$(aws ecs list-tasks --cluster "$name" --desired-status RUNNING --query 'taskArns' --output text 2>&1)" ||
        [[ "$running" == *ClusterNotFoundException* ]] || fail "ECS does not say what runs: $running"
      [[ "$running" != arn:* ]] || fail "a job runs: wait, or stop it with aws ecs stop-task" \
        "--region $region --cluster $name --task ${running%%$'\t'*}"
      ;;
    option2-*)
      for status in SUBMITTED PENDING RUNNABLE STARTING RUNNING; do
        running="$(aws batch list-jobs --job-queue "$name" --job-status "$status" \
          --query 'jobSummaryList[].jobId' --output text 2>&1)" ||
          [[ "$running" == *ClientException* ]] || fail "Batch does not say what runs: $running"
        [[ -z "$running" || "$running" == *ClientException* || "$running" == None ]] ||
          fail "a job is $status: wait, or end it with aws batch terminate-job --region $region" \
            "--reason destroyed --job-id ${running%%[[:space:]]*}"
      done
      ;;
    option3-*)
      running="$(aws ec2 describe-spot-instance-requests \
        --filters "Name=tag:Name,Values=$name" "Name=state,Values=open,active" \
        --query 'SpotInstanceRequests[].[SpotInstanceRequestId,InstanceId]' --output text)" ||
        fail "EC2 does not say what runs: see above"
      while read -r request instance; do
        [[ -n "$request" ]] || continue
        fail "the job on $instance runs: wait, or stop it with aws ec2 cancel-spot-instance-requests" \
          "--region $region --spot-instance-request-ids $request && aws ec2 terminate-instances --region $region" \
          "--instance-ids $instance"
      done <<<"$running"
      ;;
  esac
}

# EC2 deletes no group that another group's rule names; terraform would wait for a quarter of an hour.
refuse_while_a_rule_names_the_group() {
  local own group brokers groups rules
  read_outputs
  own="$(known_output security_group_id)" || return 0
  brokers="$(known_output broker_security_group_id)" || brokers=""
  groups="$(aws ec2 describe-security-groups --filters "Name=ip-permission.group-id,Values=$own" \
    --query 'SecurityGroups[].GroupId' --output text)" || fail "EC2 does not say which rules there are: see above"
  for group in $groups; do
    [[ "$group" != "$brokers" && "$group" != "$own" ]] || continue
    rules="$(aws ec2 describe-security-group-rules --filters "Name=group-id,Values=$group" --output text \
      --query "SecurityGroupRules[?ReferencedGroupInfo.GroupId=='$own'].SecurityGroupRuleId")" || rules=RULE
    fail "a rule of $group lets this deployment's group in: remove it first, with aws ec2" \
      "revoke-security-group-ingress --region $region --group-id $group --security-group-rule-ids" "${rules//$'\t'/ }"
  done
}

# Alarms of jobs that were stopped by hand; each is made by launch-spot.sh, and terraform knows none.
remove_alarms_of_jobs() {
  local alarms
  [[ "${FOLDER##*/}" == option3-* ]] || return 0
  alarms="$(aws cloudwatch describe-alarms --alarm-name-prefix "$name-job-" \
    --query 'MetricAlarms[].AlarmName' --output text)" || fail "CloudWatch does not say which alarms there are"
  # A job's id has no blanks in it.
  # shellcheck disable=SC2086
  [[ -z "$alarms" ]] || run aws cloudwatch delete-alarms --alarm-names $alarms
}

# Whether the address is the table's, or of what is only looked up: these are not destroyed.
is_kept() {
  [[ "$1" == "$TABLE_ADDRESS" || "$1" == data.* || "$1" == *.data.* ]]
}

unprotected=no
# Whatever the end is, a table that still stands is protected as it was.
put_back() {
  rm -rf "$work"
  if [[ "$unprotected" == yes ]] && table_stands "$table"; then
    aws dynamodb update-table --table-name "$table" --deletion-protection-enabled >/dev/null &&
      say "the table $table stands, and is protected again"
  fi
}

require aws terraform
require_tfvars
initialize
read_variables
addresses="$(state_addresses)"
work="$(mktemp -d)"
trap put_back EXIT

# A tag has no meaning any more, but the variable wants one.
options=(-input=false -var image_tag=none)
only_table=no
if [[ -n "$addresses" ]]; then
  refuse_while_jobs_run
  refuse_while_a_rule_names_the_group
fi
question="This destroys what deploy.sh made, as listed above."
if ! has_table "$addresses"; then
  DELETE_NOW=no
elif [[ "$DELETE_TABLE" == yes ]]; then
  DELETE_NOW=yes
  options+=(-var table_deletion_protection=false)
  question="This destroys all that is listed above, and THE CHECKPOINT TABLE $table with every job's progress."
else
  DELETE_NOW=no
  targets=()
  # All but the table, which leaves the state when the rest is gone.
  while IFS= read -r address; do
    [[ -z "$address" ]] || is_kept "$address" || targets+=("-target=$address")
  done <<<"$addresses"
  options+=("${targets[@]+"${targets[@]}"}")
  # After a destroy that was cut off: without a target terraform would take the table.
  if ((${#targets[@]} == 0)); then
    only_table=yes
    question="All but the checkpoint table is gone; it stays, and leaves terraform's state."
  fi
fi

if [[ "$only_table" == yes ]]; then
  say "nothing is left to destroy here"
elif [[ "$DRY_RUN" == yes ]]; then
  run terraform plan -destroy "${options[@]}"
else
  terraform plan -destroy -out "$work/plan" "${options[@]}" >&2 || fail "terraform plan failed: see above"
fi
confirm "$question"
if [[ "$DELETE_NOW" == yes ]]; then
  if [[ "$DRY_RUN" == no && "$(aws dynamodb describe-table --table-name "$table" \
    --query Table.DeletionProtectionEnabled --output text)" == True ]]; then unprotected=yes; fi
  run aws dynamodb update-table --table-name "$table" --no-deletion-protection-enabled >/dev/null ||
    fail "the table $table cannot be changed: see above"
fi
remove_alarms_of_jobs
[[ "$only_table" == yes ]] || run terraform apply -input=false "$work/plan" >&2 ||
  fail "terraform destroy stopped: mend what it says above, then run it again"
# The table stays in the account, and leaves the state with what was only looked up.
if [[ "$DRY_RUN" == no ]]; then
  left="$(state_addresses)"
  kept=()
  while IFS= read -r address; do
    if is_kept "$address"; then kept+=("$address"); fi
  done <<<"$left"
  ((${#kept[@]} == 0)) || terraform state rm "${kept[@]}" >&2 ||
    fail "terraform's state is not cleared: see above, then run it again"
fi

if [[ "$DRY_RUN" == no && "$create_table" == true ]] && table_stands "$table"; then
  if [[ "$DELETE_TABLE" == yes ]]; then
    fail "the table $table still stands, as this folder does not own it any more: ./deploy.sh" \
      "--adopt-table takes it over again, ./destroy.sh --delete-table then deletes it"
  fi
  say "the checkpoint table $table stays; deploy.sh --adopt-table takes it over again"
fi
