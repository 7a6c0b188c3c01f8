#!/usr/bin/env bash
# Runs on the instance: starts the job's container, watches for the Spot interruption notice, and
# decides what happens at the end.
#
#   job done (0)        the Spot request is cancelled and the instance terminates itself
#   interrupted (143)   the checkpoint is stored; EC2 takes the instance and starts another one
#   failed              the instance stays, with /var/log/csv-processor.log, for a look
#
# Reads /etc/csv-to-kafka/job.env (the loader's settings) and host.env (IMAGE, REGION, SECRET_ARN).
set -euo pipefail

CONFIG_DIR="${CONFIG_DIR:-/etc/csv-to-kafka}"
LOG_FILE="${LOG_FILE:-/var/log/csv-processor.log}"
METADATA_URL="${METADATA_URL:-http://169.254.169.254}"
# EC2's advice is to look every five seconds; the notice comes two minutes ahead.
WATCH_SECONDS="${WATCH_SECONDS:-5}"
RETRY_SECONDS="${RETRY_SECONDS:-2}"
# The loader stores its checkpoint within six seconds of SIGTERM.
STOP_SECONDS=60
CONTAINER="${CONTAINER:-csv-to-kafka}"

# shellcheck source=/dev/null
source "$CONFIG_DIR/host.env"

exec >>"$LOG_FILE" 2>&1
# The trap may speak while the output of what it breaks into goes elsewhere.
exec 3>&1

say() {
  echo "$(date '+%Y-%m-%d %H:%M:%S') - run-job - $1 - $2" >&3
}

fail() {
  say ERROR "$1; this instance stays for a look and costs money"
  exit 1
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
  local options=()
  if [[ -n "${SECRET_ARN:-}" ]]; then
    options+=(--env KAFKA_SASL_PLAIN_USERNAME --env KAFKA_SASL_PLAIN_PASSWORD)
  fi
  # A container of that name is left over from a run before, if this instance was rebooted.
  docker rm --force "$CONTAINER" >/dev/null 2>&1 || true
  docker run --detach --name "$CONTAINER" --read-only --cap-drop ALL \
    --security-opt no-new-privileges --stop-timeout "$STOP_SECONDS" \
    --env-file "$CONFIG_DIR/job.env" "${options[@]}" "$IMAGE" >/dev/null
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
    if metadata spot/instance-action >/dev/null; then
      interrupted=yes
      stop_job "Spot interruption notice"
    else
      sleep "$WATCH_SECONDS" &
      wait "$!" || true
    fi
  done
}

# Without this, EC2 would start another instance for the persistent request. Its job would find
# nothing to do and come here again, so a failure costs minutes, not rows.
cancel_request() {
  local instance request
  instance="$(metadata instance-id)"
  request="$(aws ec2 describe-instances --region "$REGION" --instance-ids "$instance" \
    --query 'Reservations[0].Instances[0].SpotInstanceRequestId' --output text)"
  if [[ "$request" == sir-* ]]; then
    aws ec2 cancel-spot-instance-requests --region "$REGION" \
      --spot-instance-request-ids "$request" >/dev/null
  fi
}

interrupted=no
trap 'interrupted=yes; stop_job "This instance shuts down"' TERM

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
  say INFO "The job is done; this instance terminates itself"
  cancel_request || say WARNING "The Spot request is not cancelled: see docs/deploy.md"
  # The log's last lines are on their way to CloudWatch.
  sleep "${LINGER_SECONDS:-15}"
  shutdown -h now
elif [[ "$interrupted" == yes ]]; then
  say WARNING "Interrupted, exit code $code; the next instance goes on from the checkpoint"
else
  say ERROR "The job failed with exit code $code; this instance stays for a look and costs money"
  exit "$code"
fi
