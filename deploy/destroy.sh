#!/usr/bin/env bash
# Removes what deploy.sh made in this folder, the images too. The checkpoint table stays, with every
# job's progress, unless --delete-table says otherwise.
#
# Usage: ./destroy.sh [options]
#   --delete-table     delete the checkpoint table as well: jobs begin anew, and load their rows again
#   --yes              do not ask before terraform destroy
#   --dry-run          say what would be done, change nothing
#   --help
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
# shellcheck source=lib.sh
source "$HERE/lib.sh"

DELETE_TABLE=no
APPROVE=()
while (($#)); do
  case "$1" in
    --delete-table) DELETE_TABLE=yes ;;
    --yes) APPROVE=(-auto-approve -input=false) ;;
    --dry-run) DRY_RUN=yes ;;
    --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see --help" ;;
  esac
  shift
done

require aws terraform
[[ -f terraform.tfvars ]] || fail "there is no terraform.tfvars here: nothing was deployed from this folder"
AWS_REGION="$(sed -n 's/^region *= *"\([^"]*\)".*/\1/p' terraform.tfvars)"
export AWS_REGION AWS_DEFAULT_REGION="$AWS_REGION" AWS_PAGER=""
# A tag has no meaning any more, but the variable wants one.
variables=(-var image_tag=none)

# An instance that runs keeps its security group, and its request would start the next one.
if [[ -f launch-spot.sh ]] && [[ -n "$(terraform state list 2>/dev/null)" ]]; then
  name="$(output name)"
  running="$(aws ec2 describe-spot-instance-requests \
    --filters "Name=tag:Name,Values=$name" "Name=state,Values=open,active" \
    --query 'SpotInstanceRequests[].[SpotInstanceRequestId,InstanceId]' --output text)" ||
    fail "AWS does not answer: log in (aws sso login, aws configure), then run it again"
  while read -r request instance; do
    [[ -n "$request" ]] || continue
    fail "the job on $instance runs: wait, or stop it with aws ec2 cancel-spot-instance-requests" \
      "--spot-instance-request-ids $request && aws ec2 terminate-instances --instance-ids $instance"
  done <<<"$running"
fi

if table_in_state; then
  if [[ "$DELETE_TABLE" == yes ]]; then
    # No output if the table is gone already.
    table="$(output table_name)"
    run aws dynamodb update-table --table-name "$table" --no-deletion-protection-enabled >/dev/null ||
      fail "the table $table cannot be changed: see above"
    variables+=(-var table_deletion_protection=false)
  else
    say "the checkpoint table stays; deploy.sh --adopt-table takes it over again"
    run terraform state rm "$TABLE_ADDRESS" >&2
  fi
fi
run terraform destroy "${variables[@]}" "${APPROVE[@]+"${APPROVE[@]}"}" >&2 ||
  fail "terraform destroy stopped: mend what it says above, then run it again"
