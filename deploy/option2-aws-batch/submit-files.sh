#!/usr/bin/env bash
# Submits one job for each file of a list, as one array job. Run it again to resume all of them: files
# that are loaded already take a second.
#
# Usage: ./submit-files.sh [options] LIST
#   LIST         text file: one key of the bucket per line (10,000 at most); blank lines and lines that
#                begin with # are left out
#   --dry-run    say what would be done, change nothing
#   --help
#
# A file's job id is its key, so its checkpoint is found again in whatever list it comes.
set -euo pipefail

LIST=""
started_in="$(pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../lib.sh
source ../lib.sh

while (($#)); do
  case "$1" in
    --dry-run) DRY_RUN=yes ;;
    --help)
      usage "$PWD/${0##*/}"
      exit 0
      ;;
    -*) fail "unknown option $1: see --help" ;;
    *)
      [[ -z "$LIST" ]] || fail "one list at a time: $LIST, or $1"
      LIST="$1"
      ;;
  esac
  shift
done
[[ -n "$LIST" ]] || fail "which list? see --help"
[[ "$LIST" == /* ]] || LIST="$started_in/$LIST"
[[ -f "$LIST" ]] || fail "there is no file $LIST"

require aws terraform
require_applied
region="$(output region)"
queue="$(output job_queue)"
definition="$(output job_definition)"
bucket="$(output bucket)"
prefix="$(output prefix)"
manifests="$(output manifest_prefix)"
export AWS_REGION="$region" AWS_DEFAULT_REGION="$region" AWS_PAGER=""

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
# Each file once, in order: two children of one file would wait for each other.
bom="$(printf '\357\273\277')"
tr -d '\r' <"$LIST" | awk -v bom="$bom" 'NR == 1 { sub("^" bom, "") } NF && !/^#/ && !seen[$0]++' >"$folder/manifest.txt"
count="$(awk 'END { print NR }' "$folder/manifest.txt")"
((count > 0)) || fail "$LIST names no file"
outside="$(PREFIX="$prefix" awk 'index($0, ENVIRON["PREFIX"]) != 1 { print; exit }' "$folder/manifest.txt")"
[[ -z "$outside" ]] || fail "$LIST names $outside; the job may read what begins with $prefix alone: see s3_prefix"
((count <= 10000)) || fail "$LIST names $count files; Batch takes 10,000 at once: split it"

submit() {
  run aws batch submit-job --job-name "$1" --job-queue "$queue" --job-definition "$definition" "${@:2}" \
    --query jobId --output text || fail "the job was not submitted: see above"
}

check_bucket "$bucket"

if ((count == 1)); then
  # An array has at least two children.
  key="$(json "$(cat "$folder/manifest.txt")")"
  job="$(submit csv-to-kafka --parameters "{\"key\":$key,\"job_id\":$key}")"
else
  digest="$(checksum <"$folder/manifest.txt")"
  manifest="$manifests${digest:0:16}.txt"
  run aws s3 cp --only-show-errors "$folder/manifest.txt" "s3://$bucket/$manifest" ||
    fail "s3://$bucket/$manifest cannot be written: you need s3:PutObject there"
  job="$(submit csv-to-kafka-files --array-properties "size=$count" \
    --parameters "{\"manifest\":$(json "$manifest")}")"
fi
echo "$job"
[[ "$DRY_RUN" == no ]] || exit 0
say "$count files submitted to $queue; how many are loaded says" \
  "aws batch describe-jobs --region $region --jobs $job --query 'jobs[0].[status, arrayProperties.statusSummary]'"
