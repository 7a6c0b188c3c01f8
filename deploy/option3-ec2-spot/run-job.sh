#!/usr/bin/env bash
# Runs on the instance: starts the job's container, watches for the Spot interruption notice, and
# decides what happens at the end.
#
#   job done (0)        the Spot request is cancelled and the instance terminates itself
#   interrupted (143)   the checkpoint is stored; EC2 takes the instance and starts another one
#   failed              the instance stays, with /var/log/csv-processor.log, for a look
#
# It never shuts down with a request that is open: EC2 would start the next instance, for ever.
# Progress goes to CloudWatch each minute, where the job's alarm (launch-spot.sh) waits for it.
#
# Reads /etc/csv-to-kafka/job.env (the loader's settings, and WORKERS: processes that share a set) and
# host.env (IMAGE, REGION, SECRET_ARN, NAME).
set -euo pipefail

CONFIG_DIR="${CONFIG_DIR:-/etc/csv-to-kafka}"
LOG_FILE="${LOG_FILE:-/var/log/csv-processor.log}"
METADATA_URL="${METADATA_URL:-http://169.254.169.254}"
# EC2's advice is to look every five seconds; the notice comes two minutes ahead.
WATCH_SECONDS="${WATCH_SECONDS:-5}"
RETRY_SECONDS="${RETRY_SECONDS:-2}"
PROGRESS_SECONDS="${PROGRESS_SECONDS:-60}"
STARTED_FILE="${STARTED_FILE:-/run/csv-to-kafka.started}"
# The loader stores its checkpoint within six seconds of SIGTERM.
STOP_SECONDS=60
CONTAINER="${CONTAINER:-csv-to-kafka}"

# shellcheck source=/dev/null
source "$CONFIG_DIR/host.env"
JOB_ID="$(sed -n 's/^JOB_ID=//p' "$CONFIG_DIR/job.env")"
WORKERS="$(sed -n 's/^WORKERS=//p' "$CONFIG_DIR/job.env")"

exec >>"$LOG_FILE" 2>&1
# The trap may speak while the output of what it breaks into goes elsewhere.
exec 3>&1

say() {
  echo "$(date '+%Y-%m-%d %H:%M:%S') - run-job - $1 - $2" >&3
}

# The tag tells launch-spot.sh that nothing runs here any more.
fail() {
  say ERROR "$1; this instance stays for a look and costs money"
  aws ec2 create-tags --region "$REGION" --resources "$(metadata instance-id)" \
    --tags Key=JobState,Value=failed || say WARNING "the instance cannot be tagged as failed"
  exit "${2:-1}"
}

token() {
  curl --silent --fail --max-time 2 --request PUT "$METADATA_URL/latest/api/token" \
    --header "X-aws-ec2-metadata-token-ttl-seconds: 300"
}

metadata() {
  curl --silent --fail --max-time 2 --header "X-aws-ec2-metadata-token: $(token)" \
    "$METADATA_URL/latest/meta-data/$1"
}

# Tries a command that needs the network, which may come up after us.
try() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if "$@"; then return 0; fi
    say WARNING "attempt $attempt failed: $*"
    sleep "$((attempt * RETRY_SECONDS))"
  done
  return 1
}

log_in() {
  aws ecr get-login-password --region "$REGION" |
    docker login --username AWS --password-stdin "${IMAGE%%/*}"
}

# Exports user name and password; they are in no file and on no command line.
# `set -e` does not hold inside `try`, so each step says what follows.
read_secret() {
  local secret
  secret="$(aws secretsmanager get-secret-value --region "$REGION" --secret-id "$SECRET_ARN" \
    --query SecretString --output text)" || return 1
  KAFKA_SASL_PLAIN_USERNAME="$(python3 -c 'import json,sys; print(json.load(sys.stdin)["username"])' <<<"$secret")" || return 1
  KAFKA_SASL_PLAIN_PASSWORD="$(python3 -c 'import json,sys; print(json.load(sys.stdin)["password"])' <<<"$secret")" || return 1
  export KAFKA_SASL_PLAIN_USERNAME KAFKA_SASL_PLAIN_PASSWORD
}

start_job() {
  local options=() command=()
  if [[ -n "${SECRET_ARN:-}" ]]; then
    options+=(--env KAFKA_SASL_PLAIN_USERNAME --env KAFKA_SASL_PLAIN_PASSWORD)
  fi
  if [[ -n "$WORKERS" ]]; then command=(load --workers "$WORKERS"); fi
  # A container of that name is left over from a run before, if this instance was rebooted.
  docker rm --force "$CONTAINER" >/dev/null 2>&1 || true
  docker run --detach --name "$CONTAINER" --read-only --cap-drop ALL \
    --security-opt no-new-privileges --stop-timeout "$STOP_SECONDS" \
    --env-file "$CONFIG_DIR/job.env" "${options[@]}" "$IMAGE" "${command[@]}" >/dev/null
}

stop_job() {
  say WARNING "$1: the job gets SIGTERM and stores its checkpoint"
  docker stop -t "$STOP_SECONDS" "$CONTAINER" >/dev/null || true
}

is_running() {
  [[ "$(docker inspect --format '{{.State.Running}}' "$CONTAINER")" == true ]]
}

# Returns when the job has ended; stops it at the interruption notice.
watch_job() {
  while is_running; do
    tell_progress
    if metadata spot/instance-action >/dev/null; then
      interrupted=yes
      stop_job "Spot interruption notice"
    else
      sleep "$WATCH_SECONDS" &
      wait "$!" || true
    fi
  done
}

progress_lines() {
  grep -c ' - INFO - Progress: ' "$LOG_FILE" || true
}

told_at=0
# What the log holds from before a reboot was told then.
told="$(progress_lines)"
# Tells CloudWatch once a minute whether rows were stored.
tell_progress() {
  local count
  ((SECONDS - told_at >= PROGRESS_SECONDS)) || return 0
  told_at=$SECONDS
  count="$(progress_lines)"
  ((count > told)) || return 0
  # In JSON, as `--dimensions` takes no job id with = in it.
  aws cloudwatch put-metric-data --region "$REGION" --namespace "csvkafka/$NAME" \
    --metric-data "[{\"MetricName\":\"JobProgress\",\"Dimensions\":[{\"Name\":\"JobId\",\"Value\":\"$JOB_ID\"}],\"Value\":$((count - told))}]" ||
    say WARNING "CloudWatch does not take the progress"
  told=$count
}

# `set -e` does not hold inside `try`, so each step says what follows.
cancel_request() {
  local instance request
  instance="$(metadata instance-id)" || return 1
  request="$(aws ec2 describe-instances --region "$REGION" --instance-ids "$instance" \
    --query 'Reservations[0].Instances[0].SpotInstanceRequestId' --output text)" || return 1
  [[ "$request" == sir-* ]] || return 0
  aws ec2 cancel-spot-instance-requests --region "$REGION" --spot-instance-request-ids "$request" >/dev/null
}

remove_alarm() {
  aws cloudwatch delete-alarms --region "$REGION" --alarm-names "$NAME-job-$JOB_ID"
}

interrupted=no
trap 'interrupted=yes; stop_job "This instance shuts down"' TERM

mkdir -p "$(dirname "$STARTED_FILE")"
touch "$STARTED_FILE"
try log_in || fail "The registry of $IMAGE lets nobody in"
try docker pull --quiet "$IMAGE" || fail "The image $IMAGE cannot be pulled"
if [[ -n "${SECRET_ARN:-}" ]]; then
  try read_secret || fail "The secret $SECRET_ARN cannot be read"
fi
start_job || fail "The job's container cannot be started"
docker logs --follow "$CONTAINER" &
logs=$!
watch_job
wait "$logs" || true
code="$(docker inspect --format '{{.State.ExitCode}}' "$CONTAINER")"

if [[ "$code" == 0 ]]; then
  try cancel_request || fail "The job is done, but its Spot request is not cancelled: cancel it, then terminate this instance"
  try remove_alarm || say WARNING "The alarm $NAME-job-$JOB_ID is not removed: it will go off"
  say INFO "The job is done; this instance terminates itself"
  # The log's last lines are on their way to CloudWatch.
  sleep "${LINGER_SECONDS:-15}"
  shutdown -h now
elif [[ "$interrupted" == yes ]]; then
  say WARNING "Interrupted, exit code $code; the next instance goes on from the checkpoint"
else
  fail "The job failed with exit code $code" "$code"
fi
