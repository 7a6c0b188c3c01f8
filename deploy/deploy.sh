#!/usr/bin/env bash
# Makes the infrastructure of one option, and its image: safe to run again, at any time.
#
#   1. account and region   2. terraform apply   3. build the image
#   4. log in to ECR        5. tag and push      6. print the run command
#
# Usage: ./deploy.sh [options]          in option1-ecs-fargate, option2-aws-batch, option3-ec2-spot
#   --image-tag TAG    an image that is in the registry already; nothing is built
#   --adopt-table      take over a checkpoint table that is there already
#   --yes              do not ask before terraform apply
#   --dry-run          say what would be done, change nothing
#   --help
#
# Needs aws, terraform and docker, and terraform.tfvars (copy terraform.tfvars.example).
# PYTHON_IMAGE is the base image, BUILD_OPTIONS more options of `docker build`, e.g. --platform.
set -euo pipefail

FOLDER="$(pwd -P)"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
ROOT="$(cd "$HERE/.." && pwd -P)"
# shellcheck source=lib.sh
source "$HERE/lib.sh"

IMAGE_TAG=""
ADOPT_TABLE=no
APPROVE=()

parse() {
  while (($#)); do
    case "$1" in
      --image-tag)
        IMAGE_TAG="${2:?--image-tag needs a tag}"
        shift
        ;;
      --adopt-table) ADOPT_TABLE=yes ;;
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
}

# A variable of terraform.tfvars at the top level, or its default: aws needs the region first.
tfvar() {
  local value
  value="$(sed -n "s/^$1 *= *\"\([^\"]*\)\".*/\1/p" terraform.tfvars)"
  echo "${value:-$2}"
}

adopt_table() {
  local table
  table="$(tfvar table_name csv-kafka-checkpoint)"
  if grep -Eq '^create_table *= *false' terraform.tfvars || table_in_state; then return; fi
  aws dynamodb describe-table --table-name "$table" >/dev/null 2>&1 || return 0
  [[ "$ADOPT_TABLE" == yes ]] || fail "the table $table is there already: --adopt-table takes it" \
    "over (after destroy.sh), create_table = false in terraform.tfvars uses it and leaves it to its owner"
  run terraform import "${variables[@]}" "$TABLE_ADDRESS" "$table" >&2 ||
    fail "the table $table cannot be taken over: see above"
}

is_pushed() {
  aws ecr describe-images --repository-name "$1" --image-ids "imageTag=$2" >/dev/null 2>&1
}

# Builds the image and names it in $built.
build() {
  local job="csvkafka:$IMAGE_TAG" base=()
  if [[ -n "${PYTHON_IMAGE:-}" ]]; then base=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"); fi
  build_image "${base[@]+"${base[@]}"}" --file "$ROOT/docker/Dockerfile" --tag "$job" "$ROOT"
  built="$job"
  if [[ -f Dockerfile ]]; then
    built="csvkafka-${FOLDER##*/}:$IMAGE_TAG"
    build_image --build-arg "JOB_IMAGE=$job" --tag "$built" "$FOLDER"
  fi
}

build_image() {
  # Before version 23 docker builds without BuildKit unless asked. BUILD_OPTIONS is a list of words.
  # shellcheck disable=SC2086
  DOCKER_BUILDKIT=1 run docker build ${BUILD_OPTIONS:-} "$@" >&2 ||
    fail "docker build failed: see above (is the engine running? BuildKit needs docker-buildx-plugin)"
}

log_in() {
  if [[ "$DRY_RUN" == yes ]]; then
    say "would run: aws ecr get-login-password | docker login --username AWS --password-stdin $1"
  else
    aws ecr get-login-password | docker login --username AWS --password-stdin "$1" >&2 ||
      fail "the registry $1 lets nobody in: you need ecr:GetAuthorizationToken"
  fi
}

push() {
  local registry="$account.dkr.ecr.$AWS_REGION.amazonaws.com" repository
  repository="$(tfvar name "$(sed -n '/variable "name"/,/^}/s/.*default *= *"\(.*\)"/\1/p' variables.tf)")"
  if is_pushed "$repository" "$IMAGE_TAG"; then
    say "3-5. the image $repository:$IMAGE_TAG is in the registry"
    return
  fi
  [[ -z "$given_tag" ]] || fail "there is no image $IMAGE_TAG in $repository: push it, or leave --image-tag out"
  say "3. image"
  build
  say "4. login"
  log_in "$registry"
  say "5. push"
  run docker tag "$built" "$registry/$repository:$IMAGE_TAG" >&2
  run docker push "$registry/$repository:$IMAGE_TAG" >&2 ||
    fail "the image was not pushed: see above, then run it again"
}

parse "$@"
require aws terraform docker
[[ -f versions.tf ]] || fail "run it in one of the folders option1-ecs-fargate, option2-aws-batch, option3-ec2-spot"
[[ -f terraform.tfvars ]] || fail "there is no terraform.tfvars: copy terraform.tfvars.example and fill it in"

say "1. account and region"
AWS_REGION="$(tfvar region "${AWS_REGION:-}")"
[[ -n "$AWS_REGION" ]] || fail "region is missing in terraform.tfvars"
export AWS_REGION AWS_DEFAULT_REGION="$AWS_REGION" AWS_PAGER=""
account="$(aws sts get-caller-identity --query Account --output text)" ||
  fail "AWS does not know you: log in (aws sso login, aws configure), then run it again"
say "   $account, $AWS_REGION"

given_tag="$IMAGE_TAG"
if [[ -z "$IMAGE_TAG" ]]; then
  parts=()
  if [[ -f Dockerfile ]]; then parts=("${FOLDER#"$ROOT"/}/Dockerfile" "${FOLDER#"$ROOT"/}/array_child.py"); fi
  IMAGE_TAG="$(source_tag "$ROOT" "${parts[@]+"${parts[@]}"}")"
fi
variables=(-var "image_tag=$IMAGE_TAG")

say "2. terraform apply"
run terraform init -input=false >&2 ||
  fail "terraform init failed: see above (is the registry within reach, is the backend right?)"
adopt_table
run terraform apply "${variables[@]}" "${APPROVE[@]+"${APPROVE[@]}"}" >&2 ||
  fail "terraform apply stopped: mend what it says above, then run it again; what is made is kept"

push

say "6. run it:"
if [[ "$DRY_RUN" == no ]]; then
  output run_command
  echo
fi
