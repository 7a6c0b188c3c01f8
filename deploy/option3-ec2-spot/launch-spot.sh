#!/usr/bin/env bash
# Launches one csvkafka job on a Spot instance, and prints its id and how to watch it.
#
# Usage: ./launch-spot.sh [options]
#   --config FILE          read the variables below from FILE instead
#   --s3-key KEY           the CSV object, or all objects whose keys begin so if it ends in /; left out:
#                          s3_key of terraform.tfvars
#   --job-id ID            the job: one for each file; left out: job_id of terraform.tfvars for its s3_key,
#                          and for another key the key itself
#   --workers N            of a set: so many processes on the instance, each of which takes the next
#                          file (ORDER=object)
#   --instance-type TYPE   another type than the launch template's
#   --dry-run              say what would be done, change nothing
#   --help
#
# The request is persistent: if EC2 takes the instance back, it starts another one as soon as it has
# one (within max_days), and the job goes on where it stopped. A job that is running is not launched a
# second time. Until the job is done an alarm waits for its progress, whatever becomes of the instance.
set -euo pipefail

# Configuration; what is empty comes from terraform.tfvars. Options win over a file, a file wins over this.
S3_KEY=""
JOB_ID=""
WORKERS=""
INSTANCE_TYPE=""

started_in="$(pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../lib.sh
source ../lib.sh

given_key="" given_id="" given_workers="" given_type=""
while (($#)); do
  case "$1" in
    --config)
      config="${2:-}"
      [[ "$config" == /* ]] || config="$started_in/$config"
      [[ -f "$config" ]] || fail "--config needs a file that is there, not $config"
      # shellcheck source=/dev/null
      source "$config"
      shift
      ;;
    --s3-key)
      given_key="${2:?--s3-key needs a key}"
      shift
      ;;
    --job-id)
      given_id="${2:?--job-id needs a name}"
      shift
      ;;
    --workers)
      given_workers="${2:?--workers needs a number}"
      shift
      ;;
    --instance-type)
      given_type="${2:?--instance-type needs a type}"
      shift
      ;;
    --dry-run) DRY_RUN=yes ;;
    --help)
      usage "$PWD/${0##*/}"
      exit 0
      ;;
    *) fail "unknown option $1: see --help" ;;
  esac
  shift
done

require aws terraform
require_applied
region="$(output region)"
name="$(output name)"
template="$(output launch_template)"
job_env="$(output job_env)"
user_data="$(output user_data)"
subnets="$(output subnet_ids)"
max_price="$(output max_price)"
max_days="$(output max_days)"
tags="$(output tags)"
bucket="$(output bucket)"
security_group="$(output security_group_id)"
public_ip="$(output assign_public_ip)"
alarm_topic="$(output alarm_topic_arn)"
no_progress_minutes="$(output no_progress_minutes)"
log_group="$(output log_group_name)"
table="$(output table_name)"
export AWS_REGION="$region" AWS_DEFAULT_REGION="$region" AWS_PAGER=""

configured_key="$(output s3_key)"
S3_KEY="${given_key:-${S3_KEY:-$configured_key}}"
JOB_ID="${given_id:-$JOB_ID}"
# As run.sh: the job of terraform.tfvars is that of its s3_key, and another key has a job of its own.
[[ "$S3_KEY" == "$configured_key" ]] || JOB_ID="${JOB_ID:-$S3_KEY}"
JOB_ID="${JOB_ID:-$(sed -n 's/^JOB_ID=//p' <<<"$job_env")}"
WORKERS="${given_workers:-$WORKERS}"
INSTANCE_TYPE="${given_type:-$INSTANCE_TYPE}"
[[ -n "$S3_KEY" ]] || fail "which file? --s3-key KEY, or s3_key in terraform.tfvars"
[[ -n "$JOB_ID" ]] || fail "which job? --job-id ID: one for each file"
[[ "$S3_KEY$JOB_ID" != *$'\n'* ]] || fail "a key or a job id has no line breaks"
# A tag's value, by which the job is found again.
[[ "$JOB_ID" =~ ^[A-Za-z0-9._:/=+@-]{1,200}$ && "$JOB_ID" != =* ]] ||
  fail "--job-id may hold letters, digits and . _ : / = + @ - (200 at most, no = first): EC2 keeps it as a tag"
if [[ -n "$WORKERS" ]]; then
  [[ "$WORKERS" =~ ^[1-9][0-9]?$ ]] || fail "--workers needs a number, 1 to 99"
  [[ "$S3_KEY" == */ ]] || fail "--workers is for a set: end the key in /"
  [[ "$WORKERS" != 1 ]] || WORKERS="" # as run.sh: one worker takes a set in either order
fi
alarm="$name-job-$JOB_ID"

found="$(aws ec2 describe-spot-instance-requests \
  --filters "Name=tag:Name,Values=$name" "Name=tag:JobId,Values=$JOB_ID" "Name=state,Values=open,active" \
  --query 'SpotInstanceRequests[0].[SpotInstanceRequestId,InstanceId]' --output text)" ||
  fail "AWS does not answer: log in (aws sso login, aws configure), then run it again"

# Takes the instance (None: there is none yet) and the request.
watch_lines() {
  echo "Instance:    $1"
  echo "Log:         aws logs tail '$log_group' --follow --region $region"
  echo "Checkpoint:  aws dynamodb get-item --region $region --table-name '$table' --key '{\"job_id\":{\"S\":\"$JOB_ID\"}}'"
  if [[ "$1" == i-* ]]; then
    echo "Shell:       aws ssm start-session --region $region --target $1     (log there: /var/log/csv-processor.log)"
  fi
  echo "Stop:        aws ec2 cancel-spot-instance-requests --region $region --spot-instance-request-ids $2"
  if [[ "$1" == i-* ]]; then
    echo "             aws ec2 terminate-instances --region $region --instance-ids $1"
  fi
  echo "             aws cloudwatch delete-alarms --region $region --alarm-names '$alarm'"
}

if [[ "$found" == sir-* ]]; then
  read -r request instance <<<"$found"
  if [[ "$instance" != i-* ]]; then
    instance="none yet: EC2 has no capacity for it"
    say "The job $JOB_ID waits for an instance: nothing launched."
  else
    state="$(aws ec2 describe-tags --filters "Name=resource-id,Values=$instance" "Name=key,Values=JobState" \
      --query 'Tags[0].Value' --output text)" || fail "EC2 does not say how the job is: see above"
    if [[ "$state" == failed ]]; then
      watch_lines "$instance" "$request"
      fail "the job $JOB_ID failed on $instance, which stays for a look: see its log, stop it as printed, then launch again"
    fi
    say "The job $JOB_ID is running already: nothing launched."
  fi
  watch_lines "$instance" "$request"
  exit 0
fi

# Before anything costs money.
check_bucket "$bucket"
has_source "$bucket" "$S3_KEY" || fail "there is no s3://$bucket/$S3_KEY"

source=S3_KEY
if [[ "$S3_KEY" == */ ]]; then source=S3_PREFIX; fi
# The line of user-data.yaml.tftpl that holds the job's settings, with this job's key and id.
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
{
  sed '/^S3_KEY=/d; /^S3_PREFIX=/d; /^JOB_ID=/d; /^WORKERS=/d' <<<"$job_env" |
    if [[ -n "$WORKERS" ]]; then sed '/^ORDER=/d'; else cat; fi
  printf '%s=%s\nJOB_ID=%s\n' "$source" "$S3_KEY" "$JOB_ID"
  if [[ -n "$WORKERS" ]]; then printf 'ORDER=object\nWORKERS=%s\n' "$WORKERS"; fi
} >"$folder/job.env"
encoded="$(base64 <"$folder/job.env" | tr -d '\n')"
awk -v content="    content: $encoded # job.env" '/# job\.env$/ && !/^#/ { print content; next } { print }' \
  <<<"$user_data" >"$folder/user-data.yaml"
grep -qF "$encoded" "$folder/user-data.yaml" || fail "the user data has no line for job.env: run ./deploy.sh again"

valid_until="$(date -u -d "+$max_days days" +%FT%TZ 2>/dev/null || date -u -v "+${max_days}d" +%FT%TZ)"
options="SpotInstanceType=persistent,InstanceInterruptionBehavior=terminate,ValidUntil=$valid_until"
[[ -z "$max_price" ]] || options+=",MaxPrice=$max_price"
tags="Tags=[$tags,{Key=Name,Value=$name},{Key=JobId,Value=$JOB_ID}]"
arguments=(
  --launch-template "LaunchTemplateId=${template%%:*},Version=${template##*:}"
  --instance-market-options "MarketType=spot,SpotOptions={$options}"
  --tag-specifications "ResourceType=instance,$tags" "ResourceType=spot-instances-request,$tags"
  --user-data "file://$folder/user-data.yaml"
)
[[ -z "$INSTANCE_TYPE" ]] || arguments+=(--instance-type "$INSTANCE_TYPE")

# The first value is the launch itself: without one the alarm would go off at once.
# (In JSON, as `--dimensions` takes no job id with = in it.)
watch_progress() {
  run aws cloudwatch put-metric-data --namespace "csvkafka/$name" \
    --metric-data "[{\"MetricName\":\"JobProgress\",\"Dimensions\":[{\"Name\":\"JobId\",\"Value\":\"$JOB_ID\"}],\"Value\":1}]" &&
    run aws cloudwatch put-metric-alarm --alarm-name "$alarm" \
      --alarm-description "The job $JOB_ID stored no row for $no_progress_minutes minutes: see $log_group, and whether it has an instance." \
      --namespace "csvkafka/$name" --metric-name JobProgress --dimensions "Name=JobId,Value=$JOB_ID" \
      --statistic Sum --period 300 --evaluation-periods "$((no_progress_minutes / 5))" --threshold 1 \
      --comparison-operator LessThanThreshold --treat-missing-data breaching --alarm-actions "$alarm_topic"
}
watch_progress || fail "the job's alarm cannot be made: see above; nothing launched"

# Spot capacity differs between zones: the first subnet that has some.
launched=""
for subnet in $subnets; do
  network="DeviceIndex=0,SubnetId=$subnet,Groups=$security_group,AssociatePublicIpAddress=$public_ip"
  if [[ "$DRY_RUN" == yes ]]; then
    run aws ec2 run-instances "${arguments[@]}" --network-interfaces "$network"
    exit 0
  fi
  if launched="$(aws ec2 run-instances "${arguments[@]}" --network-interfaces "$network" \
    --query 'Instances[0].[InstanceId,SpotInstanceRequestId]' --output text)"; then
    break
  fi
  say "no instance in $subnet"
done
if [[ -z "$launched" ]]; then
  aws cloudwatch delete-alarms --alarm-names "$alarm" || true
  fail "no subnet had an instance: see above; try --instance-type, or later"
fi
read -r instance request <<<"$launched"
watch_lines "$instance" "$request"
