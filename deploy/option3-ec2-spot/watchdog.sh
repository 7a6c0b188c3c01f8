#!/usr/bin/env bash
# Runs half an hour after the boot. Where run-job.sh has not begun by then, the boot has failed: no
# package server, no docker. That is said in the log group, and the instance ends, so that it costs no
# more; EC2 starts the next one, as long as the job's request is valid (launch-spot.sh). The job's
# alarm goes off in any case, as it hears of no progress.
set -uo pipefail

CONFIG_DIR="${CONFIG_DIR:-/etc/csv-to-kafka}"
STARTED_FILE="${STARTED_FILE:-/run/csv-to-kafka.started}"
BOOT_LOG="${BOOT_LOG:-/var/log/cloud-init-output.log}"

if [[ -e "$STARTED_FILE" ]]; then exit 0; fi
# Whether or not it can be said.
trap 'shutdown -h now' EXIT
# shellcheck source=/dev/null
source "$CONFIG_DIR/host.env"
export AWS_DEFAULT_REGION="$REGION"
stream="boot-$(hostname)-$(date +%s)"
message="$(date '+%Y-%m-%d %H:%M:%S') - watchdog - ERROR - The job has not begun half an hour after the boot; this instance ends. The boot said: $(tail -n 5 "$BOOT_LOG" 2>/dev/null | tr '\n\t\r' '   ')"
# JSON wants quotes and backslashes escaped, and knows no other control characters.
message="$(printf '%s' "$message" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g')"
aws logs create-log-stream --log-group-name "$LOG_GROUP" --log-stream-name "$stream" &&
  aws logs put-log-events --log-group-name "$LOG_GROUP" --log-stream-name "$stream" \
    --log-events "[{\"timestamp\": $(date +%s)000, \"message\": \"$message\"}]" >/dev/null
